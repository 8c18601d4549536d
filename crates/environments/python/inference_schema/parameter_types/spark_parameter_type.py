"""Samples that are Spark data frames are not supported."""

from portcullis_compat.missing import refuse

__getattr__ = refuse(
    "inference_schema.parameter_types.spark_parameter_type",
    {},
    "a worker runs no Spark; use PandasParameterType with the sample's toPandas()",
)
