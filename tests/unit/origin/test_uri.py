"""What a source may look like, and what is said about one that may not."""

from __future__ import annotations

import pytest

from cachefs.errors import InvalidSource, UnknownScheme
from cachefs.origin import Source, parse_source


@pytest.mark.parametrize(
    ("text", "expected", "uri"),
    [
        ("oss://models/qwen3/", Source("oss", "oss://models", "qwen3/"), "oss://models/qwen3/"),
        ("oss://models/qwen3", Source("oss", "oss://models", "qwen3/"), "oss://models/qwen3/"),
        ("OSS://models", Source("oss", "oss://models", ""), "oss://models/"),
        (
            "oss://models.oss-cn-beijing-internal.aliyuncs.com/a/",
            Source("oss", "oss://models", "a/", "oss-cn-beijing-internal.aliyuncs.com"),
            "oss://models/a/",
        ),
        ("oss://models/a b%20+ü?#", Source("oss", "oss://models", "a b%20+ü?#/"), "oss://models/a b%20+ü?#/"),
        ("s3://b/p", Source("s3", "s3://b", "p/"), "s3://b/p/"),
        ("s3a://b/p", Source("s3", "s3://b", "p/"), "s3://b/p/"),
        ("gcs://b", Source("gs", "gs://b", ""), "gs://b/"),
        ("az://container/p", Source("az", "az://container", "p/"), "az://container/p/"),
        ("file:///srv/models", Source("file", "file:///srv/models", "/srv/models/"), "file:///srv/models/"),
        ("file:///srv/models/", Source("file", "file:///srv/models", "/srv/models/"), "file:///srv/models/"),
        (
            "nas://fs.example/export/m",
            Source("nas", "nas://fs.example/export/m", "/export/m/"),
            "nas://fs.example/export/m/",
        ),
        ("nas://fs.example/", Source("nas", "nas://fs.example", "/"), "nas://fs.example/"),
        ("https://Host/a/model.gguf", Source("https", "https://host", "a/model.gguf"), "https://host/a/model.gguf"),
        ("http://host:81/a/", Source("http", "http://host:81", "a/"), "http://host:81/a/"),
        ("hf://org/model", Source("hf", "hf://org", "model/"), "hf://org/model/"),
        ("memory://bucket/m", Source("memory", "memory://bucket", "m/"), "memory://bucket/m/"),
    ],
)
def test_canonical_form(text: str, expected: Source, uri: str) -> None:
    source = parse_source(text)
    assert source == expected
    assert source.uri == uri
    assert parse_source(source.uri).uri == uri


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "no scheme", "scheme://bucket/prefix"),
        ("models/qwen3", "no scheme", "scheme://bucket/prefix"),
        ("/srv/models", "no scheme", "file:///srv/models"),
        ("oss://", "no bucket", "oss://bucket/prefix"),
        ("oss:///prefix", "no bucket", "oss://bucket/prefix"),
        ("oss://Models/x", "'Models' is not a bucket name", "3 to 63"),
        ("oss://ab/x", "'ab' is not a bucket name", "3 to 63"),
        ("s3://", "no bucket", "s3://bucket/prefix"),
        ("memory://", "no bucket", "memory://bucket/prefix"),
        ("oss://models/a/../b", "'.' and '..'", "without"),
        ("oss://models/..", "'.' and '..'", "without"),
        ("file:///srv/./models", "'.' and '..'", "without"),
        ("oss://models/a//b", "empty path segment", "single"),
        ("oss://models//", "empty path segment", "single"),
        ("oss://models/a\nb", "control character", "remove"),
        ("file://srv/models", "relative path", "file:///srv/models"),
        ("file:///", "no directory", "file:///srv/models"),
        ("nas://server", "server or path missing", "nas://server/export/path"),
        ("nas:///export", "server or path missing", "nas://server/export/path"),
        ("nas://-o/export", "not a server name", "nas://server/path"),
        ("http://host", "no path", "one object"),
        ("http:///x", "no host", "http://host/path"),
        ("http://host/x?signature=1", "query", "plain URL"),
    ],
)
def test_invalid_sources_name_the_value_and_the_remedy(text: str, said: str, hint: str) -> None:
    with pytest.raises(InvalidSource) as caught:
        parse_source(text)
    assert said in str(caught.value)
    assert hint in caught.value.hint


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(InvalidSource) as caught:
        parse_source("https://user:hunter2@host/x")
    assert "hunter2" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("text", ["ftpx://host/x", "local://x/y", "simplecache://x/y", "://x", "zip://x/y"])
def test_unknown_schemes(text: str) -> None:
    with pytest.raises(UnknownScheme, match="unknown scheme") as caught:
        parse_source(text)
    assert "oss" in caught.value.hint
