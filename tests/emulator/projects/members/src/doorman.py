"""The triggers of the pool. Each event that it is asked about goes to a queue, too."""

import json
import os

import boto3

sqs = boto3.client("sqs")
idp = boto3.client("cognito-idp")


def ask(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
    name = event["triggerSource"].partition("_")[0]
    ANSWERS.get(name, lambda event: None)(event)
    return event


def pre_sign_up(event):
    email = event["request"]["userAttributes"].get("email", "")
    if email.endswith("@spam.example"):
        raise ValueError("nobody of spam.example may join")
    if email.endswith("@staff.example"):
        event["response"] |= {"autoConfirmUser": True, "autoVerifyEmail": True}


def post_confirmation(event):
    if event["request"]["userAttributes"]["email"].endswith("@staff.example"):
        group = {"GroupName": "librarians", "Username": event["userName"]}
        idp.admin_add_user_to_group(UserPoolId=event["userPoolId"], **group)


def pre_authentication(event):
    if event["userName"] == "banned":
        raise ValueError("come back next year")


def pre_token_generation(event):
    if event["userName"].startswith("gold"):
        event["response"]["claimsOverrideDetails"] = {
            "claimsToAddOrOverride": {"plan": "gold"},
            "claimsToSuppress": ["custom:shelf"],
        }


def custom_message(event):
    if event["userName"] == "olga":
        code = event["request"]["codeParameter"]
        event["response"]["emailMessage"] = f"<p>Dear olga,\nenter {code}</p>"


def define_auth_challenge(event):
    over = event["request"]["session"]
    event["response"]["failAuthentication"] = len(over) > 1
    event["response"]["issueTokens"] = bool(over) and over[-1]["challengeResult"]
    event["response"]["challengeName"] = "CUSTOM_CHALLENGE"


def create_auth_challenge(event):
    event["response"]["publicChallengeParameters"] = {"question": "6 x 7"}
    event["response"]["privateChallengeParameters"] = {"answer": "42"}


def verify_auth_challenge(event):
    request = event["request"]
    right = request["privateChallengeParameters"]["answer"] == request["challengeAnswer"]
    event["response"]["answerCorrect"] = right


def user_migration(event):
    if event["userName"] == "old" and event["request"]["password"] == "old":
        event["response"] |= {
            "userAttributes": {"email": "old@example.com", "email_verified": "true"},
            "finalUserStatus": "CONFIRMED",
            "messageAction": "SUPPRESS",
        }


ANSWERS = {
    "PreSignUp": pre_sign_up,
    "PostConfirmation": post_confirmation,
    "PreAuthentication": pre_authentication,
    "CustomMessage": custom_message,
    "TokenGeneration": pre_token_generation,
    "DefineAuthChallenge": define_auth_challenge,
    "CreateAuthChallenge": create_auth_challenge,
    "VerifyAuthChallengeResponse": verify_auth_challenge,
    "UserMigration": user_migration,
}
