"""Programming languages: fence tags, Slack's snippet types, and file extensions."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its common name, Slack's snippet type, and its file extension."""

    name: str
    snippet_type: str
    file_extension: str


PLAIN_TEXT: Final = Language("", "text", "txt")
"""Code without a language, or with an unknown one."""

TAG_SEPARATOR: Final = re.compile(r"[\s,:;{(]")

_ROWS: Final = """
bash shell sh sh shell zsh ksh shellscript
c c c h
clojure clojure clj clj
coffeescript coffeescript coffee coffee
console text txt shell-session terminal
cpp cpp cpp c++ cc cxx hpp
csharp csharp cs c# cs
css css css
csv csv csv
dart dart dart
diff diff diff patch
dockerfile dockerfile dockerfile docker
elixir text ex ex exs
erlang erlang erl erl
fortran fortran f90 f90
fsharp fsharp fs f# fs
go go go golang
graphql text graphql gql
groovy groovy groovy gradle
haskell haskell hs hs
html html html htm
ini text ini cfg
java java java
javascript javascript js js jsx node mjs
json javascript json
julia text jl jl
kotlin kotlin kt kt kts
latex latex tex tex
lisp lisp lisp elisp common-lisp
lua lua lua
makefile text mk make
markdown markdown md md
matlab matlab m
nginx text conf
objectivec objc m objc objective-c
ocaml ocaml ml ml
pascal pascal pas delphi
perl perl pl pl
php php php
powershell powershell ps1 ps1 pwsh ps
protobuf text proto proto
pycon text txt python-repl
python python py py python3 py3
r r r
ruby ruby rb rb
rust rust rs rs
sass sass sass scss
scala scala scala
scheme scheme scm racket
smalltalk smalltalk st
solidity text sol sol
sql sql sql mysql postgresql postgres sqlite plsql tsql
swift swift swift
terraform text tf hcl tf
text text txt txt plain plaintext output none
toml text toml
typescript text ts ts tsx
vb vb vb vbnet
verilog verilog v systemverilog
vim text vim viml
xml xml xml svg xsd
yaml yaml yaml yml
zig text zig
"""

_LANGUAGE_BY_TAG: Final = {
    alias: Language(name, snippet_type, file_extension)
    for name, snippet_type, file_extension, *aliases in (
        row.split() for row in _ROWS.split("\n") if row
    )
    for alias in (name, *aliases)
}


def split_info_string(info: str) -> tuple[str, str]:
    """Split a fence's info string into the language tag and the rest."""
    inside = info.strip("{} ").removeprefix(".")
    tag = TAG_SEPARATOR.split(inside, 1)[0]
    return tag.lower(), inside[len(tag) :].strip("}:,; ")


def is_known_tag(tag: str) -> bool:
    """Whether a tag names a known language, or is empty."""
    return not tag or tag in _LANGUAGE_BY_TAG


def find_language(tag: str) -> Language:
    """Return the language of a tag; `PLAIN_TEXT` if the tag is unknown."""
    language = _LANGUAGE_BY_TAG.get(tag, PLAIN_TEXT)
    return PLAIN_TEXT if language.name == "text" else language
