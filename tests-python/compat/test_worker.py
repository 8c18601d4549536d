"""The worker by its contract: what `run()` gets, what becomes of its result, errors, logs, start and end."""

import os
import signal
import subprocess
import sys
import threading
import unittest

from support import PACKAGE, Worker, frames, until

RAW = """
def init():
    print("init has run")

def run(raw):
    return {"got": raw}
"""

DECORATED = """
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as S

def init():
    pass

@input_schema("data", S([{"Age": 20, "Saving accounts": "little"}]))
@output_schema(S([[0.7, 0.3]]))
def run(data, scale=2):
    return [data, scale]
"""


class Raw(unittest.TestCase):
    def test_the_body_is_text_whatever_its_content_type(self):
        with Worker(RAW) as worker:
            head = worker.ready()
            self.assertEqual((head["ready"], head["inputs"], head["decorated"]), (True, None, False))
            self.assertEqual(head["pid"], worker.process.pid)
            answer, body = worker.call("é {".encode(), content_type="text/plain")
            self.assertEqual(body, b'{"got": "\\u00e9 {"}')
            self.assertEqual((answer["status"], answer["failed"], answer["content_type"]), (200, False, "application/json"))
            self.assertGreaterEqual(answer["exec_ms"], 0)
            answer, body = worker.call(b"\xff\xfe")
            self.assertEqual(answer["status"], 400)
            self.assertTrue(body.startswith(b'{"message": "Input cannot be decoded as UTF-8: \'utf-8\' codec'))
            self.assertIsNone(answer["exec_ms"])

    def test_a_get_gives_the_query_as_json_text(self):
        with Worker(RAW) as worker:
            worker.ready()
            _, body = worker.call(method="GET", query="a=1&b=[1,2]&c=a&d=null&foo=bar1&foo=bar2&empty=")
            text = r'{"got": "{\"a\": 1, \"b\": [1, 2], \"c\": \"a\", \"d\": null, \"foo\": [\"bar1\", \"bar2\"], \"empty\": \"\"}"}'
            self.assertEqual(body.decode(), text)
            self.assertEqual(worker.call(method="OPTIONS")[1], b"")
            answer, body = worker.call(method="PUT")
            self.assertEqual((answer["status"], body), (405, b'{"message": "Method not allowed"}'))

    def test_headers_on_wish(self):
        with Worker("def init(): pass\ndef run(data, request_headers): return request_headers['X-Ms-Request-Id']") as worker:
            self.assertTrue(worker.ready()["wants_headers"])
            self.assertEqual(worker.call(b"", headers={"x-ms-request-id": "7"})[1], b'"7"')


class Decorated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.worker = Worker(DECORATED)
        cls.addClassCleanup(cls.worker.close)
        cls.head = cls.worker.ready()

    def test_arguments_are_members_of_the_body(self):
        self.assertEqual(self.head["inputs"], ["data", "scale"])
        self.assertEqual(self.worker.json(b'{"data": [{"Age": 1}], "more": 1}'), (200, '[[{"Age": 1}], 2]'))
        self.assertEqual(self.worker.json(b'{"data": [], "scale": 3}'), (200, "[[], 3]"))
        answer, body = self.worker.call(method="GET", query="data=[]&scale=x")
        self.assertEqual((answer["status"], body), (200, b'[[], "x"]'))

    def test_what_is_no_such_body_is_refused(self):
        cases = {
            b"": "POST body is empty. Expecting a JSON dictionary.",
            b"{": "POST body could not be decoded as JSON: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
            b"[1]": "POST body should be a JSON dictionary.",
            b"{}": "A value is not provided for the 'data' parameter.",
            b"[" * 100000: None,
            b"\xff": None,
        }
        for body, message in cases.items():
            status, text = self.worker.json(body)
            self.assertEqual(status, 400, body[:20])
            if message:
                self.assertEqual(text, '{"message": "%s"}' % message)
        answer, body = self.worker.call(b"{}", content_type="text/csv")
        self.assertEqual((answer["status"], body), (415, b'{"message": "Expects Content-Type to be application/json"}'))

    def test_a_value_of_another_type_fails_in_the_script(self):
        answer, body = self.worker.call(b'{"data": "x"}', content_type="application/json; charset=utf-8")
        self.assertEqual((answer["status"], answer["failed"]), (500, True))
        self.assertIn("Invalid input data type to parse. Expected: <class 'list'> but got <class 'str'>", self.worker.log())

    def test_the_documents_come_from_the_samples(self):
        two = self.head["swagger"]["2"]
        self.assertEqual((two["swagger"], two["schemes"]), ("2.0", ["https"]))
        self.assertEqual(
            two["definitions"]["ServiceInput"],
            {
                "type": "object",
                "properties": {
                    "data": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["Age", "Saving accounts"],
                            "properties": {
                                "Age": {"type": "integer", "format": "int64"},
                                "Saving accounts": {"type": "string"},
                            },
                        },
                    },
                    "scale": {},
                },
                "example": {"data": [{"Age": 20, "Saving accounts": "little"}], "scale": ""},
            },
        )
        self.assertEqual([self.head["swagger"][v]["openapi"] for v in ("3", "3.1")], ["3.0.3", "3.1.0"])
        operation = two["paths"]["/score"]["post"]
        self.assertEqual((operation["operationId"], operation["security"]), ("RunMLService", [{"Bearer": []}]))


class Results(unittest.TestCase):
    def test_results_are_encoded_once_more(self):
        script = """
        import json
        def init(): pass
        def run(raw): return eval(raw)
        """
        with Worker(script) as worker:
            worker.ready()
            cases = {
                "None": (200, "{}"),
                "json.dumps({'result': [1]})": (200, '"{\\"result\\": [1]}"'),
                "'é'": (200, '"\\u00e9"'),
                "float('nan')": (200, "NaN"),
                "__import__('datetime').date(2020, 1, 2)": (200, '"2020-01-02"'),
                "object()": (500, '{"message": "An unexpected internal error occurred. Check the logs for more info."}'),
                "1 / 0": (
                    500,
                    '{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}',
                ),
                "exit(7)": (
                    500,
                    '{"message": "An unexpected error occurred in scoring script. Check the logs for more info."}',
                ),
            }
            for expression, wanted in cases.items():
                answer, body = worker.call(expression.encode())
                self.assertEqual((answer["status"], body.decode()), wanted, expression)
                self.assertEqual(answer["failed"], expression in ("1 / 0", "exit(7)"))
            self.assertIn("ZeroDivisionError", worker.log())
            self.assertEqual(worker.call(b"1")[0]["status"], 200)

    def test_arrays_and_frames(self):
        try:
            import pandas  # noqa: F401
        except ImportError:
            self.skipTest("needs pandas")
        script = """
        import numpy as np, pandas as pd
        def init(): pass
        def run(raw): return eval(raw)
        """
        with Worker(script) as worker:
            worker.ready()
            for expression, text in {
                "np.array([[0.7, 0.3]])": "[[0.7, 0.3]]",
                "{'n': np.int64(3), 'x': np.float32(0.5)}": '{"n": 3, "x": 0.5}',
                "pd.DataFrame({'a': [1, 2]})": '[{"a": 1}, {"a": 2}]',
                "pd.Series([1, 2])": "[1, 2]",
            }.items():
                self.assertEqual(worker.call(expression.encode())[1].decode(), text)

    def test_raw_http(self):
        script = """
        from azureml.contrib.services.aml_request import AMLRequest, rawhttp
        from azureml.contrib.services.aml_response import AMLResponse

        def init(): pass

        @rawhttp
        def run(request):
            if request.method == "GET":
                return AMLResponse(request.full_path, 503)
            if request.files:
                return AMLResponse(request.files["image"].read() + request.form["name"].encode(), 201, {"X-A": "1, 2"})
            return AMLResponse(bytes(reversed(request.get_data())), 200, {"Content-Type": "image/jpeg"})
        """
        form = (
            b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; '
            b'name="image"; filename="i.png"\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n--b--\r\n'
        )
        with Worker(script) as worker:
            worker.ready()
            answer, body = worker.call(b"\x00\x01\xff")
            self.assertEqual((body, answer["content_type"], answer["failed"]), (b"\xff\x01\x00", "image/jpeg", False))
            answer, body = worker.call(method="GET", query="a=1")
            self.assertEqual((body, answer["status"], answer["failed"]), (b"/score?a=1", 503, True))
            answer, body = worker.call(form, content_type="multipart/form-data; boundary=b")
            self.assertEqual((answer["status"], body, answer["headers"]), (201, b"\x00\xffx", {"X-A": "1, 2"}))


class Life(unittest.TestCase):
    def test_a_script_that_cannot_start_says_why_and_ends_with_status_3(self):
        nothing = "run() needs to accept an argument for input data."
        cases = [
            ("def init(): raise ValueError('no model')\ndef run(x): pass", "ValueError: no model"),
            ("import not_there", "No module named 'not_there'"),
            ("def run(x): pass", "does not have a init() function defined."),
            ("def init(): pass", "does not have a run() function defined."),
            ("def init(): pass\ndef run(*a): pass", "run() cannot accept positional-only arguments, *args, or **kwargs."),
            ("def init(): pass\ndef run(): pass", nothing),
            ("def init(): pass\ndef run(request_headers): pass", 'run() needs to accept an argument other than "request_headers".'),
            (None, "scoring script score.py is not in the code folder"),
        ]
        for script, why in cases:
            with Worker(script) as worker:
                head = worker.ready()
                self.assertFalse(head["ready"])
                self.assertIn(why, head["error"])
                self.assertEqual(worker.process.wait(60), 3)

    def test_a_call_that_takes_too_long_is_stopped_and_the_worker_goes_on(self):
        script = """
        import time
        def init(): pass
        def run(raw):
            try:
                while raw == "long":
                    time.sleep(0.001)
            except Exception as error:
                return str(error)
        """
        with Worker(script) as worker:
            worker.ready()
            answer, body = worker.call(b"long", timeout_ms=50)
            self.assertEqual((answer["status"], answer["failed"]), (500, True))
            self.assertEqual(body, b'{"message": "Scoring timeout after 50 ms"}')
            self.assertEqual(worker.call(b"", timeout_ms=60000)[1], b"{}")

    def test_lines_carry_the_request_they_belong_to(self):
        script = """
        import logging, sys, threading
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        def init():
            print("from init")
        def run(raw):
            print("from run", raw)
            thread = threading.Thread(target=print, args=("from a thread",)); thread.start(); thread.join()
            pool.submit(print, "from a pool").result()
            logging.warning("from logging")
            sys.stdout.buffer.write(b"without an end")
        """
        with Worker(script) as worker:
            worker.ready()
            worker.call(b"1", id="one")
            worker.call(b"2", id="two")
            log = worker.log()
        self.assertIn("from init\n", log)
        for request, word in (("one", "1"), ("two", "2")):
            for text in ("from run " + word, "from a thread", "from a pool", "WARNING:root:from logging", "without an end"):
                self.assertIn("\x1e%s\x1f%s\n" % (request, text), log)

    def test_sigterm_lets_the_running_call_end(self):
        script = """
        import os, time
        def init(): pass
        def run(raw):
            open(raw, "w").close()
            while not os.path.exists(raw + ".go"):
                time.sleep(0.001)
            return "done"
        """
        for threads in (1, 2):
            with Worker(script, threads=threads) as worker:
                worker.ready()
                mark = os.path.join(worker.folder, "mark")
                frames.write(worker.connection, {"id": "a", "method": "POST"}, mark.encode())
                until(lambda: os.path.exists(mark), "call")
                worker.process.send_signal(signal.SIGTERM)
                open(mark + ".go", "w").close()
                self.assertEqual(frames.read(worker.connection)[1], b'"done"')
                self.assertEqual(worker.process.wait(60), 0)

    def test_calls_of_several_connections_run_together_when_threads_allow(self):
        script = """
        import threading
        def init():
            global meeting
            meeting = threading.Barrier(3)
        def run(raw):
            meeting.wait(60)
            return raw
        """
        with Worker(script, threads=3) as worker:
            connections = [worker.connect()[0] for _ in range(3)]
            found = {}

            def call(place):
                found[place] = worker.call(b"%d" % place, connection=connections[place])[1]

            threads = [threading.Thread(target=call, args=(place,)) for place in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(found, {0: b'"0"', 1: b'"1"', 2: b'"2"'})

            def rests():
                frames.write(connections[0], {"ping": True})
                return frames.read(connections[0])[0] == {"pong": True, "busy": 0, "served": 3}

            until(rests, "rest after three calls")

    def test_it_ends_with_all_it_started_when_the_lifeline_closes(self):
        script = """
        import subprocess, sys
        def init():
            global child
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        def run(raw):
            return child.pid
        """
        with Worker(script) as worker:
            worker.ready()
            child = int(worker.call(b"")[1])
            worker.process.stdin.close()
            self.assertNotEqual(worker.process.wait(60), 0)

            def gone():
                try:
                    with open("/proc/%d/stat" % child) as file:
                        return file.read().rpartition(")")[2].split()[0] == "Z"
                except FileNotFoundError:
                    return True

            until(gone, "end of the child")

    def test_files_of_the_user_win_over_generated_documents(self):
        files = {"swagger.json": '{"mine": 2}', "swagger3.json": '{"mine": 3}'}
        with Worker(RAW, files=files) as worker:
            documents = worker.ready()["swagger"]
            self.assertEqual((documents["2"], documents["3"]), ({"mine": 2}, {"mine": 3}))
            self.assertEqual(documents["3.1"]["openapi"], "3.1.0")
        with Worker(RAW, files={"swagger.json": "{"}) as worker:
            head = worker.ready()
            self.assertIn("swagger.json in the code folder is not JSON", head["error"])

    def test_names_of_the_service_come_from_the_environment(self):
        with Worker(RAW, env={"SERVICE_NAME": "credit", "SERVICE_PATH_PREFIX": "/api/v1/"}) as worker:
            document = worker.ready()["swagger"]["2"]
            self.assertEqual(document["info"]["title"], "credit")
            self.assertIn("/api/v1/score", document["paths"])

    def test_what_is_no_frame_ends_its_connection_only(self):
        with Worker(RAW) as worker:
            worker.ready()
            bad, _ = worker.connect()
            bad.sendall(b"\xff\xff\xff\xff")
            self.assertEqual(bad.recv(1), b"")
            self.assertEqual(worker.call(b"x")[0]["status"], 200)

    def test_wrong_use_is_told(self):
        environment = dict(os.environ, PYTHONPATH=PACKAGE)
        for arguments in ([], ["--socket", "s"], ["--socket", "s", "--entry", "a", "--threads", "0"]):
            command = [sys.executable, "-m", "portcullis_worker", *arguments]
            self.assertEqual(subprocess.run(command, env=environment, capture_output=True).returncode, 2)


if __name__ == "__main__":
    unittest.main()
