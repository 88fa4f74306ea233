"""The world `koc-model`: from the contract's columns to `engagement.score` and back."""

from componentize_py_types import Err
from wit_world.imports import types

import engagement


class WitWorld:
    """What componentize-py looks for: a method for each function that the world exports."""

    def describe(self) -> types.Description:
        """What the model is and needs."""
        return types.Description(
            name=engagement.NAME,
            version=engagement.VERSION,
            summary=engagement.SUMMARY,
            columns=[types.WantedColumn(name, required) for name, required in engagement.COLUMNS.items()],
            parameters=[types.ParameterSpec(name, *spec) for name, spec in engagement.PARAMETERS.items()],
        )

    def score(self, batch: types.FeatureBatch, parameters: list[types.Parameter]) -> list[types.Column]:
        """Scores rows; a refusal is raised as `Err`."""
        columns = {
            column.name: column.values.value
            for column in batch.columns
            if isinstance(column.values, types.Values_Numbers)
        }
        values = {parameter.name: parameter.value for parameter in parameters}
        try:
            answers = engagement.score(batch.rows, columns, values)
        except engagement.Refusal as refusal:
            raise Err(str(refusal)) from None
        return [types.Column(name, types.Values_Numbers(powers)) for name, powers in answers.items()]
