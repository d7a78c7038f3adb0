"""Everything that can go wrong and is the user's to know: one tree, each message says what to do.

LampworkError
├── ConfigurationError      pyproject.toml or an option is wrong
├── TemplateError           the template cannot be read
├── StartError              a service, command or process did not start
├── AlreadyRunning          another `lampwork up` uses the same data folder
├── FunctionNotFound        no function of this name
├── Throttled               a function's reserved concurrency is used up
└── TooManyEnvironments     the cap on function processes is reached
"""


class LampworkError(Exception):
    """Base of all; its text is shown to the user as it stands, without a traceback."""


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


class Throttled(LampworkError):
    pass


class TooManyEnvironments(LampworkError):
    pass
