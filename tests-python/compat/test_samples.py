"""The sample decorators: schemas of samples, and JSON as values of the samples' types."""

import datetime
import json
import unittest

import support  # noqa: F401  (puts the package on the path)
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as Standard
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.schema_util import (
    get_input_schema,
    get_output_schema,
    get_supported_versions,
    is_schema_decorated,
)

try:
    import numpy as np
    import pandas as pd
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType as Array
    from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType as Frame
except ImportError:
    np = None


def decorated(kind, **kwargs):
    @input_schema("data", kind, **kwargs)
    def run(data, more=1):
        return data

    return run


class Standards(unittest.TestCase):
    def test_schemas_of_values(self):
        cases = [
            (1, {"type": "integer", "format": "int64"}, 1),
            (1.5, {"type": "number", "format": "double"}, 1.5),
            ("x", {"type": "string"}, "x"),
            (True, {"type": "boolean"}, True),
            (datetime.date(2020, 1, 2), {"type": "string", "format": "date"}, "2020-01-02"),
            (datetime.time(3, 4, 5), {"type": "string", "format": "time"}, "03:04:05.000000 +0000"),
            (
                datetime.datetime(2020, 1, 2, 3, 4, 5),
                {"type": "string", "format": "date-time"},
                "2020-01-02 03:04:05.000000 +0000",
            ),
            (b"abc", {"type": "string", "format": "byte"}, "YWJj"),
            ([], {"type": "array", "items": {"type": "object"}}, []),
            ([1, "a"], {"type": "array", "items": {"type": "string"}}, [1, "a"]),
            (
                {"a": [1.0]},
                {
                    "type": "object",
                    "required": ["a"],
                    "properties": {"a": {"type": "array", "items": {"type": "number", "format": "double"}}},
                },
                {"a": [1.0]},
            ),
        ]
        for value, schema, example in cases:
            found = Standard(value).input_to_swagger()
            self.assertEqual(found.pop("example"), example)
            self.assertEqual(found, schema)

    def test_a_list_of_mixed_types_has_no_version_two(self):
        self.assertEqual(Standard([1, "a"]).supported_versions(), ["3.0", "3.1"])
        self.assertEqual(get_supported_versions(decorated(Standard([[1], ["a", 1]]))), ["3.0", "3.1"])
        self.assertEqual(get_supported_versions(decorated(Standard([1, 2]))), ["2.0", "3.0", "3.1"])
        self.assertEqual(get_supported_versions(lambda x: x), ["2.0", "3.0", "3.1"])

    def test_values_become_the_type_of_the_sample(self):
        self.assertEqual(decorated(Standard(datetime.date(2020, 1, 1)))("2021-02-03"), datetime.date(2021, 2, 3))
        moment = decorated(Standard(datetime.datetime(2020, 1, 1)))
        self.assertEqual(moment("2021-02-03T04:05:06"), datetime.datetime(2021, 2, 3, 4, 5, 6))
        self.assertEqual(moment("2021-02-03 04:05:06.000007 +0000").microsecond, 7)
        self.assertEqual(decorated(Standard(b"x"))(data="YWJj"), b"abc")
        self.assertEqual(decorated(Standard(1.5))(data=2), 2)
        self.assertEqual(decorated(Standard(1), convert_to_provided_type=False)(data="x"), "x")
        self.assertIsNone(decorated(Standard([1]), optional=True)(data=None))
        for sample, wrong in ((1, "x"), (1, 1.5), ("x", 1), ([1], {}), ({"a": 1}, []), (datetime.date(2020, 1, 1), "x")):
            with self.assertRaises(ValueError):
                decorated(Standard(sample))(data=wrong)

    def test_what_the_decorators_refuse(self):
        with self.assertRaisesRegex(Exception, "must be a subclass of the AbstractParameterType"):
            input_schema("data", [1])
        with self.assertRaisesRegex(Exception, 'param_name "other" is not in the decorated function'):
            input_schema("other", Standard(1))(lambda data: data)(1)
        with self.assertRaisesRegex(ValueError, "cannot be None"):
            decorated(Standard(None))
        with self.assertRaisesRegex(TypeError, "fully JSON serializable"):
            decorated(Standard({"a": {1}}))
        with self.assertRaisesRegex(Exception, "output schema already defined"):
            output_schema(Standard(1))(output_schema(Standard(1))(lambda data: data))

    def test_the_record_follows_the_function(self):
        @output_schema(Standard({"predict_proba": [[0.7, 0.3]]}))
        @input_schema("b", Standard("x"))
        @input_schema("a", Standard(1))
        def run(a, b, request_headers=None):
            return a, b

        self.assertTrue(is_schema_decorated(run))
        self.assertEqual(list(get_input_schema(run)["properties"]), ["a", "b"])
        self.assertEqual(get_input_schema(run)["example"], {"a": 1, "b": "x"})
        self.assertEqual(get_output_schema(run)["example"], {"predict_proba": [[0.7, 0.3]]})
        self.assertFalse(is_schema_decorated(lambda a: a))
        self.assertEqual(run(1, b="y"), (1, "y"))

    def test_kinds_of_the_user(self):
        class Upper(AbstractParameterType):
            def deserialize_input(self, input_data):
                return input_data.upper()

            def input_to_swagger(self):
                return {"type": "string", "example": "A"}

        self.assertEqual(decorated(Upper(1))(data="a"), "A")


@unittest.skipIf(np is None, "needs numpy and pandas")
class Tables(unittest.TestCase):
    def test_arrays(self):
        kind = Array(np.array([[1, 2], [3, 4]]))
        schema = kind.input_to_swagger()
        self.assertEqual(schema["example"], [[1, 2], [3, 4]])
        self.assertEqual(schema["format"], "numpy.ndarray")
        item = {"type": "integer", "format": "int64"}
        self.assertEqual(schema["items"], {"type": "array", "items": item})
        run = decorated(kind)
        self.assertEqual(run(data=[[5, 6]]).tolist(), [[5, 6]])
        with self.assertRaisesRegex(ValueError, "array has size 3 on dimension #1, while expected value is 2"):
            run(data=[[1, 2, 3]])
        with self.assertRaisesRegex(ValueError, r"an array with 2 dimensions is expected; input has 1 \[shape \(2,\)\]"):
            run(data=[1, 2])
        with self.assertRaisesRegex(ValueError, "expected an array of items"):
            run(data="x")
        record = Array(np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]))
        self.assertEqual(record.input_to_swagger()["example"], [{"a": 1, "b": 2.5}])
        self.assertEqual(decorated(record)(data=[{"a": 3, "b": 1}])["a"].tolist(), [3])
        self.assertEqual(Array(np.array([True])).input_to_swagger()["example"], [True])

    def test_frames(self):
        sample = pd.DataFrame({"a": [1], "b": [1.5], "c": ["x"], "d": pd.to_datetime(["2020-01-01"])})
        kind = Frame(sample)
        schema = kind.input_to_swagger()
        self.assertEqual(schema["format"], "pandas.DataFrame:records")
        self.assertEqual(schema["items"]["required"], ["a", "b", "c", "d"])
        self.assertEqual(schema["items"]["properties"]["d"], {"type": "string", "format": "date-time"})
        json.dumps(schema)
        found = decorated(kind)(data=[{"a": 2, "b": 1, "c": "y", "d": "2021-01-01"}])
        self.assertEqual(list(found.columns), ["a", "b", "c", "d"])
        self.assertEqual(str(found.dtypes["b"]), "float64")
        with self.assertRaisesRegex(ValueError, "data frame has size 1 on dimension #1, while expected value is 4"):
            decorated(kind)(data=[{"a": 1}])
        for orient in ("split", "index", "columns", "values", "table"):
            self.assertEqual(Frame(sample, orient=orient).input_to_swagger()["format"], "pandas.DataFrame:" + orient)
        with self.assertRaisesRegex(Exception, "Invalid orient"):
            Frame(sample, orient="rows")

    def test_samples_inside_of_samples(self):
        kind = Standard({"table": Array(np.array([[1.0]])), "name": Standard("x")})
        found = decorated(kind)(data={"table": [[2]], "name": "y"})
        self.assertEqual(found["table"].tolist(), [[2.0]])
        with self.assertRaises(ValueError):
            decorated(kind)(data={"name": 1})


if __name__ == "__main__":
    unittest.main()
