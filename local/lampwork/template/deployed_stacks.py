from collections.abc import Iterator

from lampwork.errors import TemplateError
from lampwork.stack.model import DeployedStack, Output, StackResource
from lampwork.template.language.intrinsics import Resolver
from lampwork.template.resource import Template


def read_deployed_stacks(template: Template) -> tuple[DeployedStack, ...]:
    """What CloudFormation would say of the template's stacks, the nested ones among them. An output
    that has no value here is left out, with a warning."""
    return tuple(_stack(template, resolver) for resolver in template.resolvers)


def _stack(template: Template, resolver: Resolver) -> DeployedStack:
    place = resolver.place
    description = resolver.document.content.get("Description")
    return DeployedStack(
        name=place.stack_name,
        id=place.stack_id,
        description=description if isinstance(description, str) else "",
        parameters=resolver.shown_parameters(),
        outputs=tuple(_outputs(template, resolver)),
        resources=tuple(
            StackResource(each.local_id, _physical_id(resolver, each.local_id), each.type)
            for each in template
            if each.logical_id == f"{place.prefix}{each.local_id}"
        ),
    )


def _outputs(template: Template, resolver: Resolver) -> Iterator[Output]:
    exports = dict(resolver.exports())
    for name in resolver.outputs():
        try:
            value = resolver.output(name)
        except TemplateError as error:
            template.warnings.append(f"the output {name} is left out: {error}")
            continue
        yield Output(name, value, resolver.output_description(name), exports.get(name, ""))


def _physical_id(resolver: Resolver, logical_id: str) -> str:
    try:
        return resolver.physical_id(logical_id)
    except TemplateError:
        return logical_id
