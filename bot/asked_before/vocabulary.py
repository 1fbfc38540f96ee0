"""Vocabulary of questions: English words that tell no two questions apart, and synonyms."""

from typing import Final


def _split_words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILLERS: Final = _split_words(
    """
    a about advance afternoon again ah also am an and anybody anyone appreciated are as ask
    asking at aware be been being by can cheers could did do does doing done eh ever
    feel feels folks for friends greetings guess guys had happen happens happy has have
    having he hello help hey hi him his how howdy however i idea ideas if im in is it its itself
    just kind kindly know let like little look looking lot lots maybe me mind morning my myself
    need needed needs of ok okay on one's our ours ourselves perhaps please pls plz pointer
    pointers possible possibly quick quickly quite rather really seem seems shall she should since
    so somebody somehow someone something sorry still stuck suggest suggestion suggestions
    supposed sure tell thank thanks that that's the their them then there there's these they
    thing things think this those though thx tia tips to today too tried try trying um us very want
    wanted wants was way ways we well were what what's whats when which who will wish with
    wondering would yall yet you your yours
    """
)
"""Words that are left out."""

GENERAL: Final = _split_words(
    """
    able accomplish achieve actual actually advice already alternative answer anything
    approach appropriate available basic basically because best bit built case
    cases certain cleanest commonly concise correct correctly deal decent detail details
    easiest easily easy effective effectively efficiently elegant
    exactly example examples explain explained explanation figure fine
    following get gets getting given goes going good got guide hack handle handy here idiomatic
    intended involved learn learned manage meaning means
    neat nice nicely normally now obtain obvious occur occurs option options own particular
    perform piece point practical practice preferred pretty problem problems
    programmatically proper properly purpose question questions reason reasonable
    reasons recommend recommended regarding result results retrieve say script simple
    simplest simply situation smart snippet solution solutions specific straightforward
    stuff such task technique took trick trouble typical typically understand understanding usage
    use used useful uses using usual usually various whether work working works yourself
    """
)
"""Words that people exchange for each other; they count in the similarity alone."""

_WORDS_BY_NAME: Final = {
    "alphabetical": "alphabetically alphabetic",
    "argument": "arg args arguments param params parameter parameters",
    "array": "arr arrays",
    "ascending": "asc",
    "asynchronous": "async asynchronously",
    "authentication": "auth authenticate authenticating",
    "boolean": "bool bools booleans",
    "character": "char chars characters",
    "check": "determine checking checks checked",
    "command": "cmd commands",
    "concatenate": "concat concatenating",
    "configuration": "config configs conf configure configuring configured",
    "convert": "transform turn cast converting turning transforming conversion",
    "database": "db dbs databases",
    "dataframe": "df dataframes",
    "descending": "desc descendingly",
    "dict": "dictionary dictionaries dicts",
    "difference": "differ differs differences differentiate",
    "directory": "dir dirs folder folders directories",
    "documentation": "docs doc",
    "duplicate": "dup dups dupes duplicates duplicated",
    "each": "every",
    "environment": "env envs environments",
    "error": "err errors exception exceptions",
    "fail": "fails failing failed failure unable",
    "fix": "fixes fixing solve solves solving",
    "function": "func funcs fn functions",
    "go": "golang",
    "index": "indices indexes indexing",
    "integer": "int ints integers",
    "iterate": "loop loops looping iterating iteration",
    "javascript": "js ecmascript",
    "kubernetes": "k8s",
    "large": "big huge",
    "merge": "combine combining merging",
    "multiple": "several many",
    "not": (
        "n't dont don't doesnt doesn't cant can't cannot isnt isn't wont won't couldnt "
        "couldn't didnt didn't arent aren't shouldnt shouldn't wouldnt wouldn't hasnt hasn't "
        "wasnt wasn't haven't havent"
    ),
    "number": "numbers num",
    "password": "pwd passwd passwords",
    "postgresql": "postgres psql pg",
    "print": "output printing",
    "python": "py",
    "random": "randomly",
    "regex": "regexp regexes regexps",
    "remove": "delete erase deleting removing removal",
    "repository": "repo repos repositories",
    "request": "req requests",
    "reverse": "reversed reversing backwards",
    "string": "str strings",
    "typescript": "ts",
    "variable": "var vars variables",
    "whitespace": "spaces blanks whitespaces",
}
SYNONYMS: Final = {word: name for name, words in _WORDS_BY_NAME.items() for word in words.split()}
"""Other words for one thing, each with its name."""

ARTICLES: Final = _split_words("a an my our the your")
AUXILIARIES: Final = _split_words("can could did do does should will would")
"""Words before the subject of a question."""

INFINITIVE_LEADS: Final = _split_words(
    """
    able best code command easiest example fail fails fastest function going hard has have how
    like love method need needed needs order possible program query quickest recommended regex
    safe safest script simplest supposed tried try trying used want wanted wants way ways wish
    """
)
"""Words after which "to" leads a verb, not a target."""

ROLES: Final = {
    "after": "after",
    "against": "against",
    "as": "as",
    "before": "before",
    "by": "by",
    "for": "for",
    "from": "from",
    "in": "in",
    "inside": "in",
    "into": "to",
    "on": "in",
    "over": "over",
    "than": "than",
    "then": "then",
    "to": "to",
    "under": "under",
    "using": "with",
    "with": "with",
    "within": "in",
}
"""Words that give a role to what follows, each with the name of the role."""

TOPICS: Final = (
    _split_words(
        """
        bash c c# c++ css go haskell html java javascript julia kotlin lua perl php powershell
        python python2 python3 r ruby rust scala sql swift typescript zsh
        """
    ),
    _split_words(
        """
        angular ansible argparse aws azure cmake curl django docker express fastapi flask flexbox
        gcc git github gitlab gradle helm jackson jenkins jquery kafka keras kubernetes matplotlib
        maven mongodb mysql nginx node node.js npm numpy pandas pip polars postgresql pytest pytorch
        react redis regex requests scipy spark spring sqlalchemy sqlite tensorflow terraform vim vue
        yaml yarn
        """
    ),
    _split_words("centos debian linux mac macos osx ubuntu unix windows"),
)
"""Languages, tools and systems: the only one of its kind is where, and has no role."""

CONTAINERS: Final = _split_words(
    """
    array column dataframe dict key list map matrix object queue row series set stack string struct
    table tree tuple value vector
    """
)
"""Things that hold each other: a list of sets is no set of lists."""
