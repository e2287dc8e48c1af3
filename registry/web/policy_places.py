"""The scopes that a policy can be set for, as the options of a select."""

from django.urls import reverse

from compat.policy import Task
from registry.catalog.models import RegisteredModel
from registry.catalog.selectors import alias_named, model_named
from registry.upgrades.models import PolicyChoice
from registry.upgrades.policy_scopes import Place

Options = list[tuple[str, list[tuple[str, str]]]]


def offered_places(task: str = "") -> Options:
    """Return every scope of a task, or of all tasks, by kind, widest first."""
    tasks = [task] if task else list(Task)
    models = RegisteredModel.objects.filter(task__in=tasks).order_by("name")
    set_groups = PolicyChoice.objects.filter(task__in=tasks, scope="group")
    groups = {
        *models.exclude(group="").values_list("task", "group"),
        *set_groups.values_list("task", "group"),
    }
    options = [
        ("Everything", [(f"everything:{t}", f"everything {t}") for t in tasks]),
        ("A group", [(f"group:{t}:{name}", f"group {name}, {t}") for t, name in sorted(groups)]),
        ("A model", [(f"model:{model}", str(model)) for model in models]),
        (
            "An alias",
            [
                (f"alias:{model}:{alias.name}", f"{model}@{alias.name}")
                for model in models.prefetch_related("aliases")
                for alias in sorted(model.aliases.all(), key=lambda alias: alias.name)
            ],
        ),
    ]
    return [(kind, offered) for kind, offered in options if offered]


def place_named(option: str) -> Place:
    """Return the scope of an option that was offered."""
    kind, _, rest = option.partition(":")
    first, _, second = rest.partition(":")
    if kind == "everything":
        return Place.everything(first)
    if kind == "group":
        return Place.of_group(first, second)
    if kind == "model":
        return Place.of_model(model_named(first))
    return Place.of_alias(alias_named(first, second))


def page_of_choice(choice: PolicyChoice) -> str:
    """Return the address of the page where one sees what holds for a scope."""
    if choice.alias:
        return reverse("alias", args=[choice.alias.model.name, choice.alias.name])
    if choice.model:
        return reverse("model", args=[choice.model.name])
    return reverse("policies")
