"""CloudWatch's Logs Insights queries at home: a subset of the language, translated to SQL for DuckDB."""

from insights.errors import NotInSubsetError, QueryError
from insights.lines import LogLine
from insights.query import Query, parse
from insights.run import Result, run

__all__ = ["LogLine", "NotInSubsetError", "Query", "QueryError", "Result", "parse", "run"]
