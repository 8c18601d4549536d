"""The request and the response of scripts that ask for raw HTTP (``@rawhttp``)."""

from __future__ import annotations

import io
import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import parse_qsl


class Headers:
    """Headers in their order; names without regard to case."""

    def __init__(self, items: Optional[Mapping[str, str]] = None):
        self._items: List[Tuple[str, str]] = list((items or {}).items())

    def add(self, name: str, value: Any) -> None:
        """One more value for a name."""
        self._items.append((name, str(value)))

    add_header = add

    def get(self, name: str, default: Any = None) -> Any:
        """The first value of a name."""
        return next((value for key, value in self._items if key.lower() == name.lower()), default)

    def items(self) -> Iterator[Tuple[str, str]]:
        """Pairs of name and value."""
        return iter(self._items)

    def keys(self) -> List[str]:
        """The names."""
        return [name for name, _ in self._items]

    def remove(self, name: str) -> None:
        """All values of a name."""
        self._items = [(key, value) for key, value in self._items if key.lower() != name.lower()]

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return str(found)

    def __setitem__(self, name: str, value: Any) -> None:
        self.remove(name)
        self.add(name, value)

    def __delitem__(self, name: str) -> None:
        self.remove(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[Tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


class Values(Dict[str, str]):
    """Query or form values: the first of each name, and ``getlist`` for all of them."""

    def __init__(self, pairs: List[Tuple[str, str]]):
        super().__init__()
        self._pairs = pairs
        for name, value in pairs:
            self.setdefault(name, value)

    def getlist(self, name: str) -> List[str]:
        """Every value of a name."""
        return [value for key, value in self._pairs if key == name]


class Upload(io.BytesIO):
    """A file of a form: its bytes, its ``filename`` and ``content_type``."""

    def __init__(self, data: bytes, filename: str, content_type: str):
        super().__init__(data)
        self.filename = filename
        self.content_type = content_type

    @property
    def stream(self) -> "Upload":
        """The file itself."""
        return self

    def save(self, path: str) -> None:
        """Writes the bytes to a file."""
        with open(path, "wb") as file:
            file.write(self.getvalue())


class _Form(NamedTuple):
    fields: Values
    files: Dict[str, Upload]


class AMLRequest:
    """A request as scripts know it from Flask: method, headers, query, body, form and files."""

    def __init__(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes):
        self.method = method
        self.path = path
        self.query_string = query.encode("utf-8")
        self.headers = Headers(headers)
        self.data = body
        self.args = Values(parse_qsl(query, keep_blank_values=True))
        self._form: Optional[_Form] = None

    @property
    def full_path(self) -> str:
        """Path and query, with a question mark between, as in Flask."""
        return "%s?%s" % (self.path, self.query_string.decode("utf-8"))

    @property
    def content_type(self) -> str:
        """The header ``Content-Type``, empty if there is none."""
        return str(self.headers.get("Content-Type", ""))

    @property
    def mimetype(self) -> str:
        """The content type without its parameters."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int:
        """Bytes of the body."""
        return len(self.data)

    @property
    def stream(self) -> io.BytesIO:
        """The body as a stream."""
        return io.BytesIO(self.data)

    @property
    def is_json(self) -> bool:
        """Whether the content type says JSON."""
        return self.mimetype == "application/json" or self.mimetype.endswith("+json")

    def get_data(self, cache: bool = True, as_text: bool = False) -> Union[bytes, str]:
        """The body, as text if wanted."""
        return self.data.decode("utf-8", "replace") if as_text else self.data

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """The body read as JSON; ``ValueError`` if it is none, ``None`` then with ``silent``."""
        if not (force or self.is_json):
            if silent:
                return None
            raise ValueError("the content type is not application/json")
        try:
            return json.loads(self.data)
        except ValueError:
            if silent:
                return None
            raise

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return self.get_json()

    @property
    def form(self) -> Values:
        """Fields of a form, url-encoded or in parts."""
        return self._read_form().fields

    @property
    def files(self) -> Dict[str, Upload]:
        """Files of a form in parts, by the name of their field."""
        return self._read_form().files

    def _read_form(self) -> _Form:
        if self._form is None:
            if self.mimetype == "multipart/form-data":
                self._form = _parts(self.content_type, self.data)
            elif self.mimetype == "application/x-www-form-urlencoded":
                pairs = parse_qsl(self.data.decode("utf-8", "replace"), keep_blank_values=True)
                self._form = _Form(Values(pairs), {})
            else:
                self._form = _Form(Values([]), {})
        return self._form


def _parts(content_type: str, body: bytes) -> _Form:
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    fields: List[Tuple[str, str]] = []
    files: Dict[str, Upload] = {}
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    for part in message.iter_parts() if message.is_multipart() else ():
        name = str(part.get_param("name", "", header="content-disposition"))
        filename = part.get_filename()
        data = part.get_payload(decode=True) or b""
        if filename is None:
            fields.append((name, data.decode("utf-8", "replace")))
        else:
            files.setdefault(name, Upload(data, filename, part.get_content_type()))
    return _Form(Values(fields), files)


class AMLResponse:
    """A whole response: body, status and headers. ``None`` as message gives an empty JSON object."""

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Optional[Mapping[str, str]] = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ):
        self.status_code = int(status_code)
        self.headers = Headers()
        if message is None or json_str:
            text: Any = json.dumps({} if message is None else message)
            self.headers["Content-Type"] = "application/json"
        else:
            text = message
            self.headers["Content-Type"] = "text/html; charset=utf-8"
        self.data: bytes = text.encode("utf-8") if isinstance(text, str) else bytes(text)
        self.headers["x-ms-run-function-failed"] = run_function_failed
        for name, values in (response_headers or {}).items():
            if name == "Content-Type":
                self.headers.remove(name)
            for value in values.split(","):
                self.headers.add(name, value.strip())

    def get_data(self, as_text: bool = False) -> Union[bytes, str]:
        """The body, as text if wanted."""
        return self.data.decode("utf-8", "replace") if as_text else self.data


def rawhttp(function: Any) -> Any:
    """Decorator of ``run()``: it gets the request itself, an ``AMLRequest``."""
    function.__portcullis_rawhttp__ = True
    return function
