"""Cognito's user pools with all that belongs to them, and identity pools."""

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam import cognito
from lampwork.stack.model import CloudResource

# These properties are the same in CloudFormation and in the operations that create a resource.
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Cognito.html
OF_A_POOL: Final = (
    *("AccountRecoverySetting", "AdminCreateUserConfig", "AliasAttributes"),
    *("AutoVerifiedAttributes", "DeletionProtection", "EmailConfiguration"),
    *("EmailVerificationMessage", "EmailVerificationSubject", "LambdaConfig", "MfaConfiguration"),
    *("Policies", "Schema", "SmsAuthenticationMessage", "SmsConfiguration"),
    *("SmsVerificationMessage", "UserAttributeUpdateSettings", "UsernameAttributes"),
    *("UsernameConfiguration", "UserPoolAddOns", "UserPoolTags", "VerificationMessageTemplate"),
)
# UpdateUserPool does not take these: they are fixed when a pool is created.
FIXED: Final = ("AliasAttributes", "Schema", "UsernameAttributes", "UsernameConfiguration")
OF_A_CLIENT: Final = (
    *("AccessTokenValidity", "AllowedOAuthFlows", "AllowedOAuthFlowsUserPoolClient"),
    *("AllowedOAuthScopes", "AnalyticsConfiguration", "AuthSessionValidity", "CallbackURLs"),
    *("DefaultRedirectURI", "EnablePropagateAdditionalUserContextData", "EnableTokenRevocation"),
    *("ExplicitAuthFlows", "IdTokenValidity", "LogoutURLs", "PreventUserExistenceErrors"),
    *("ReadAttributes", "RefreshTokenValidity", "SupportedIdentityProviders"),
    *("TokenValidityUnits", "WriteAttributes"),
)
OF_A_GROUP: Final = ("GroupName", "UserPoolId", "Description", "Precedence", "RoleArn")
OF_A_PROVIDER: Final = (
    *("AttributeMapping", "IdpIdentifiers", "ProviderDetails", "ProviderName", "ProviderType"),
    "UserPoolId",
)
OF_A_USER: Final = (
    *("ClientMetadata", "DesiredDeliveryMediums", "ForceAliasCreation", "MessageAction"),
    *("UserAttributes", "UserPoolId", "Username", "ValidationData"),
)
OF_AN_IDENTITY_POOL: Final = (
    *("AllowClassicFlow", "AllowUnauthenticatedIdentities", "CognitoIdentityProviders"),
    *("DeveloperProviderName", "OpenIdConnectProviderARNs", "SamlProviderARNs"),
    "SupportedLoginProviders",
)


def create_pool(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp, wanted = clients("cognito-idp"), resource.properties
    settings = _only(wanted, OF_A_POOL)
    if cognito.find_pool(wanted["Id"]) is None:
        made = cognito_idp.create_user_pool(PoolName=resource.name, **settings)["UserPool"]["Id"]
        cognito.rename_pool(clients.region, made, wanted["Id"])
    else:
        changeable = {name: each for name, each in settings.items() if name not in FIXED}
        cognito_idp.update_user_pool(UserPoolId=wanted["Id"], **changeable)
    cognito_idp.describe_user_pool(UserPoolId=wanted["Id"])  # so that the new id is stored
    return {}


def create_client(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp, wanted = clients("cognito-idp"), resource.properties
    which = {"UserPoolId": wanted["UserPoolId"], "ClientId": wanted["Id"]}
    settings = {"ClientName": resource.name, **_only(wanted, OF_A_CLIENT)}
    if _exists(cognito_idp.describe_user_pool_client, **which):
        cognito_idp.update_user_pool_client(**which, **settings)
        return {}
    made = cognito_idp.create_user_pool_client(
        UserPoolId=wanted["UserPoolId"],
        GenerateSecret=wanted.get("GenerateSecret", False),
        **settings,
    )["UserPoolClient"]["ClientId"]
    cognito.rename_client(wanted["UserPoolId"], made, wanted["Id"], wanted["Secret"])
    cognito_idp.describe_user_pool_client(**which)
    return {}


def create_domain(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp, wanted = clients("cognito-idp"), resource.properties
    described = cognito_idp.describe_user_pool_domain(Domain=wanted["Domain"])
    if not described.get("DomainDescription"):
        settings = _only(wanted, ("Domain", "UserPoolId", "CustomDomainConfig"))
        cognito_idp.create_user_pool_domain(**settings)
    return {}


def create_group(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp = clients("cognito-idp")
    settings = {"GroupName": resource.name, **_only(resource.properties, OF_A_GROUP)}
    which = _only(settings, ("GroupName", "UserPoolId"))
    exists = _exists(cognito_idp.get_group, **which)
    (cognito_idp.update_group if exists else cognito_idp.create_group)(**settings)
    return {}


def create_resource_server(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp = clients("cognito-idp")
    settings = _only(resource.properties, ("Identifier", "Name", "Scopes", "UserPoolId"))
    which = _only(settings, ("Identifier", "UserPoolId"))
    if not _exists(cognito_idp.describe_resource_server, **which):
        cognito_idp.create_resource_server(**settings)
    return {}


def create_identity_provider(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp = clients("cognito-idp")
    settings = _only(resource.properties, OF_A_PROVIDER)
    which = _only(settings, ("ProviderName", "UserPoolId"))
    if not _exists(cognito_idp.describe_identity_provider, **which):
        cognito_idp.create_identity_provider(**settings)
    return {}


def create_user(clients: Clients, resource: CloudResource) -> Made:
    cognito_idp = clients("cognito-idp")
    settings = {"Username": resource.name, **_only(resource.properties, OF_A_USER)}
    which = _only(settings, ("Username", "UserPoolId"))
    if not _exists(cognito_idp.admin_get_user, **which):
        cognito_idp.admin_create_user(**settings)
    return {}


def add_to_group(clients: Clients, resource: CloudResource) -> Made:
    which = _only(resource.properties, ("GroupName", "UserPoolId", "Username"))
    clients("cognito-idp").admin_add_user_to_group(**which)
    return {}


def create_identity_pool(clients: Clients, resource: CloudResource) -> Made:
    identity, wanted = clients("cognito-identity"), resource.properties
    settings = _only(wanted, OF_AN_IDENTITY_POOL)
    settings = {"AllowUnauthenticatedIdentities": False, **settings}
    # The names of a provider's settings begin with a capital in CloudFormation alone; boto3 takes
    # them as they are there.
    if _exists(identity.describe_identity_pool, IdentityPoolId=wanted["Id"]):
        identity.update_identity_pool(
            IdentityPoolId=wanted["Id"], IdentityPoolName=resource.name, **settings
        )
        return {}
    made = identity.create_identity_pool(IdentityPoolName=resource.name, **settings)
    cognito.rename_identity_pool(clients.region, made["IdentityPoolId"], wanted["Id"])
    identity.describe_identity_pool(IdentityPoolId=wanted["Id"])
    return {}


def _only(properties: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def _exists(describe: Any, **which: str) -> bool:
    """Whether AWS describes such a thing; it refuses to describe what is not there."""
    try:
        describe(**which)
    except ClientError:
        return False
    return True
