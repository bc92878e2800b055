"""Names and texts in SQL, and what DuckDB's types mean here."""

from tidegate.tables.column import Kind

INTEGERS = frozenset(
    ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
)
FLOATS = frozenset(("FLOAT", "DOUBLE"))


def quote(identifier: str) -> str:
    """A name as an SQL identifier, whatever it contains."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string, whatever it contains."""
    return "'" + text.replace("'", "''") + "'"


def base_type(sql_type: str) -> str:
    """A type without its parameters; of a list, that it is one."""
    return "LIST" if sql_type.endswith("]") else sql_type.split("(")[0]


def without_nan(value: str) -> str:
    """SQL of a float whose NaN are missing values."""
    return f"(CASE WHEN isnan({value}) THEN NULL ELSE {value} END)"


def kind_of(base: str) -> Kind:
    """The kind that a column is read as where none is asked for."""
    if base in INTEGERS | FLOATS:
        return "number"
    return "time" if base.startswith(("TIMESTAMP", "DATE")) else "category"


def kinds_of(sql_type: str, file_format: str) -> set[str]:
    """The kinds that all values of a type have, as a schema names them."""
    base = base_type(sql_type)
    if base in INTEGERS:
        return {"integer", "number"}
    if base in FLOATS or base == "DECIMAL":
        whole = base == "DECIMAL" and sql_type.endswith(",0)")
        return {"integer", "number"} if whole else {"number"}
    if base == "BOOLEAN":
        return {"boolean"}
    if kind_of(base) == "time":
        # JSON has no times: what reads as one is text there.
        return {"time", "text"} if file_format == "jsonl" else {"time"}
    return {"text"} if base in ("VARCHAR", "ENUM", "UUID") else set()
