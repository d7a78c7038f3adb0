# The functions as a container image for Lambda, in place of the zip and its layers. One image serves
# all: ImageConfig.Command of each function names its handler, such as functions.tasks.create.handler.
#   docker build -f deploy/container/lambda.Dockerfile --platform linux/arm64 .
ARG LAMBDA_IMAGE=public.ecr.aws/lambda/python:3.13

FROM ${LAMBDA_IMAGE}
ARG PIP_INDEX_URL
ARG PIP_CERT
COPY requirements/lambda.lock requirements/painting.lock /tmp/
RUN python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes \
        --no-deps --only-binary :all: --target "${LAMBDA_TASK_ROOT}" \
        -r /tmp/lambda.lock -r /tmp/painting.lock \
    && rm /tmp/lambda.lock /tmp/painting.lock
COPY shared ${LAMBDA_TASK_ROOT}/shared
COPY functions ${LAMBDA_TASK_ROOT}/functions
COPY migrations ${LAMBDA_TASK_ROOT}/migrations
RUN python3 -m compileall -q "${LAMBDA_TASK_ROOT}"
CMD ["functions.health.health.handler"]
