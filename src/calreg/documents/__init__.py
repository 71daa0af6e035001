"""Documents: the JSON and YAML files of a registry, as frozen values.

Every document comes in through `load` (or a `load_…` of its kind) and goes out through
`to_bytes` and `checked_bytes`; both ways it passes the strict reader, its JSON Schema and
the semantic checks. Nothing here reads a file: bytes are handed in, with the path to name
in an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calreg.late import names_of

if TYPE_CHECKING:
    from calreg.documents.calibration import (
        CELLS,
        METHOD_PARAMETERS,
        METRICS,
        PROBABILITY_METHODS,
        QUANTILES,
        Calibration,
        Distribution,
        Histogram,
        LabelCalibration,
        Parameter,
    )
    from calreg.documents.decision import (
        AVERAGES,
        FIGURES,
        STATUSES,
        Average,
        Comparator,
        Confusion,
        Decision,
        Direction,
        Status,
        Trial,
    )
    from calreg.documents.feedback import Application, FactorAction, Overrides, Suggestions
    from calreg.documents.index import Entry, FileEntry, Index, ModelEntry, ModelIndex, Packed
    from calreg.documents.keys import Keys
    from calreg.documents.loading import (
        checked_bytes,
        find_calibration,
        load,
        load_calibration,
        load_index,
        load_keys,
        load_lock,
        load_model_index,
        load_model_run,
        load_move,
        load_overrides,
        load_packed,
        load_pins,
        load_retention,
        load_run,
        load_settings,
        load_suggestions,
        load_withdrawn,
    )
    from calreg.documents.lock import Lock, LockEntry, LockFormat, LockSource, ReadFrom, Trust
    from calreg.documents.moves import Move, Pin, Pins
    from calreg.documents.retention import Retention
    from calreg.documents.run import (
        INFORMATIONAL_CHANGES,
        DecisionRow,
        FactorRow,
        HeadRow,
        LabelRow,
        ModelRun,
        Run,
        RunInputs,
        milliseconds,
        timestamp_text,
    )
    from calreg.documents.schemas import KINDS, Kind, kind_of, schema_bytes
    from calreg.documents.semantics import Problem, semantic_problems
    from calreg.documents.settings import (
        DEFAULT_FACTOR_SHIFT,
        DEFAULT_MIN_SAMPLES,
        DEFAULT_SHIFT_LIMITS,
        DEFAULT_THRESHOLDS,
        GateSettings,
        HeadSettings,
        RegistrySettings,
    )
    from calreg.documents.strict import Json, canonical_bytes, digest_of, load_json, load_yaml
    from calreg.documents.withdrawn import Withdrawal, Withdrawn

__all__ = [
    "AVERAGES",
    "CELLS",
    "DEFAULT_FACTOR_SHIFT",
    "DEFAULT_MIN_SAMPLES",
    "DEFAULT_SHIFT_LIMITS",
    "DEFAULT_THRESHOLDS",
    "FIGURES",
    "INFORMATIONAL_CHANGES",
    "KINDS",
    "METHOD_PARAMETERS",
    "METRICS",
    "PROBABILITY_METHODS",
    "QUANTILES",
    "STATUSES",
    "Application",
    "Average",
    "Calibration",
    "Comparator",
    "Confusion",
    "Decision",
    "DecisionRow",
    "Direction",
    "Distribution",
    "Entry",
    "FactorAction",
    "FactorRow",
    "FileEntry",
    "GateSettings",
    "HeadRow",
    "HeadSettings",
    "Histogram",
    "Index",
    "Json",
    "Keys",
    "Kind",
    "LabelCalibration",
    "LabelRow",
    "Lock",
    "LockEntry",
    "LockFormat",
    "LockSource",
    "ModelEntry",
    "ModelIndex",
    "ModelRun",
    "Move",
    "Overrides",
    "Packed",
    "Parameter",
    "Pin",
    "Pins",
    "Problem",
    "ReadFrom",
    "RegistrySettings",
    "Retention",
    "Run",
    "RunInputs",
    "Status",
    "Suggestions",
    "Trial",
    "Trust",
    "Withdrawal",
    "Withdrawn",
    "canonical_bytes",
    "checked_bytes",
    "digest_of",
    "find_calibration",
    "kind_of",
    "load",
    "load_calibration",
    "load_index",
    "load_json",
    "load_keys",
    "load_lock",
    "load_model_index",
    "load_model_run",
    "load_move",
    "load_overrides",
    "load_packed",
    "load_pins",
    "load_retention",
    "load_run",
    "load_settings",
    "load_suggestions",
    "load_withdrawn",
    "load_yaml",
    "milliseconds",
    "schema_bytes",
    "semantic_problems",
    "timestamp_text",
]

# Where each name is defined: a document's module is imported when one is first needed, since
# production reads locks and calibrations, and pays for nothing else.
__getattr__ = names_of(
    __name__,
    {
        "calibration": (
            "CELLS Calibration Distribution Histogram LabelCalibration METHOD_PARAMETERS "
            "METRICS PROBABILITY_METHODS Parameter QUANTILES"
        ),
        "decision": (
            "AVERAGES Average Comparator Confusion Decision Direction FIGURES STATUSES Status Trial"
        ),
        "feedback": "Application FactorAction Overrides Suggestions",
        "index": "Entry FileEntry Index ModelEntry ModelIndex Packed",
        "keys": "Keys",
        "loading": (
            "checked_bytes find_calibration load load_calibration load_index load_keys "
            "load_lock load_model_index load_model_run load_move load_overrides load_packed "
            "load_pins load_retention load_run load_settings load_suggestions load_withdrawn"
        ),
        "lock": "Lock LockEntry LockFormat LockSource ReadFrom Trust",
        "moves": "Move Pin Pins",
        "retention": "Retention",
        "run": (
            "DecisionRow FactorRow HeadRow INFORMATIONAL_CHANGES LabelRow ModelRun Run "
            "RunInputs milliseconds timestamp_text"
        ),
        "schemas": "KINDS Kind kind_of schema_bytes",
        "semantics": "Problem semantic_problems",
        "settings": (
            "DEFAULT_FACTOR_SHIFT DEFAULT_MIN_SAMPLES DEFAULT_SHIFT_LIMITS DEFAULT_THRESHOLDS "
            "GateSettings HeadSettings RegistrySettings"
        ),
        "strict": "Json canonical_bytes digest_of load_json load_yaml",
        "withdrawn": "Withdrawal Withdrawn",
    },
)
