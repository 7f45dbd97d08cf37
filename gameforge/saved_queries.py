"""The saved Logs Insights queries of the observability template."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gameforge.aws_errors import AwsError
from gameforge.system import TEMPLATES
from gameforge.template_file import read_template

TEMPLATE: Final = TEMPLATES / "observability.yaml"
_QUERY_DEFINITION: Final = "AWS::Logs::QueryDefinition"
_PROJECT: Final = "${Project}"
# What a person puts a value in the place of, such as REPLACE_WITH_JOB_ID for `--set job_id=...`.
_TOKEN: Final = re.compile(r"REPLACE_WITH_([A-Z0-9_]+)")


@dataclass(frozen=True)
class SavedQuery:
    """A query, its name without the project's, a sentence that says what it answers, and the groups that it reads."""

    name: str
    sentence: str
    text: str
    log_groups: tuple[str, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the values that it needs, such as job_id."""
        return tuple(dict.fromkeys(token.lower() for token in _TOKEN.findall(self.text)))

    def with_values(self, values: Mapping[str, str]) -> str:
        """The query with these values in it. Raises `AwsError` if one is missing, unknown, or can't be quoted."""
        if unknown := [name for name in values if name not in self.needs]:
            takes = ", ".join(self.needs) or "no values"
            raise AwsError(f"{self.name} takes no {unknown[0]}; it takes {takes}.")
        if missing := [name for name in self.needs if name not in values]:
            raise AwsError(f"{self.name} needs a value: --set {missing[0]}=...")
        for name, value in values.items():
            if re.search(r"[\"'`\\/\s]", value):
                raise AwsError(f"--set {name}: a value has no quotes, slashes or blanks.")
        return _TOKEN.sub(lambda token: values[token[1].lower()], self.text)


def read_saved_queries(project: str, path: Path | None = None) -> dict[str, SavedQuery]:
    """The template's queries by name, as they are for `project`; `path` is another template than the usual one."""
    queries = {}
    for resource in read_template(path or TEMPLATE).resources:
        if resource.resource_type != _QUERY_DEFINITION:
            continue
        properties = resource.properties
        name = str(properties["Name"]).removeprefix(f"{_PROJECT}/")
        groups = tuple(str(group).replace(_PROJECT, project) for group in properties["LogGroupNames"])
        text = str(properties["QueryString"])
        first, _, rest = text.partition("\n")
        # A query's first line is a comment that says what it answers; what it needs is said beside it.
        sentence, body = (first[1:].strip(), rest) if first.startswith("#") else ("", text)
        queries[name] = SavedQuery(name, sentence, body, groups)
    return queries


def find_query(queries: Mapping[str, SavedQuery], name: str) -> SavedQuery:
    """The query of this name, or whose name ends in it. Raises `AwsError`."""
    if name in queries:
        return queries[name]
    endings = [query for query in queries.values() if query.name.endswith(f"/{name}")]
    if len(endings) == 1:
        return endings[0]
    raise AwsError(f"there is no saved query {name}. `gameforge logs` lists those that there are.")
