"""The errors that the user should see: one tree. Each message says what is wrong or what to do.

LampworkError
├── ConfigurationError      pyproject.toml or an option is wrong
├── TemplateError           the template cannot be read
├── StartError              a service, command or process did not start
├── AlreadyRunning          another `lampwork up` uses the same data folder
├── FunctionNotFound        no function has this name
├── RecursiveInvocation     a function was invoked too often in one chain of requests
├── MalformedPath           an HTTP API cannot decode the path of a request
├── Throttled               a function's reserved concurrency is used up
└── TooManyEnvironments     the cap on function processes is reached
"""


class LampworkError(Exception):
    """Base of all. The user sees its text as it is, without a traceback."""


class ConfigurationError(LampworkError):
    pass


class TemplateError(LampworkError):
    pass


class StartError(LampworkError):
    pass


class AlreadyRunning(LampworkError):
    pass


class FunctionNotFound(LampworkError):
    pass


class RecursiveInvocation(LampworkError):
    pass


class MalformedPath(LampworkError):
    pass


class TenantMissing(LampworkError):
    """A function with an environment for each tenant was invoked for none."""


class Throttled(LampworkError):
    pass


class TooManyEnvironments(LampworkError):
    pass
