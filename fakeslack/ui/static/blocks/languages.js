/** Language definitions of the highlighter: comments, strings, keywords and built-ins. */

const words = (text) => new Set(text.trim().split(/\s+/));

const DOUBLE = String.raw`"(?:[^"\\\n]|\\[\s\S])*"?`;
const SINGLE = String.raw`'(?:[^'\\\n]|\\[\s\S])*'?`;
const TICKED = "`(?:[^`\\\\]|\\\\[\\s\\S])*`?";
const SLASHES = String.raw`\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|(?![\s\S]))`;
const HASH = String.raw`#[^\n]*`;
const AT = String.raw`@[\w.]+`;

const C_WORDS = `auto bool break case char const continue default do double else enum extern float for
  goto if inline int long register restrict return short signed sizeof static struct switch typedef
  union unsigned void volatile while`;

const JAVASCRIPT = {
  comment: SLASHES,
  string: `${DOUBLE}|${SINGLE}|${TICKED}`,
  regex: String.raw`(?<=[=(:,[!&|?{};]\s{0,3})\/(?![*/])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*`,
  keyword:
    words(`abstract as async await break case catch class const continue debugger declare default
    delete do else enum export extends finally for from function get if implements import in instanceof
    interface keyof let namespace new of private protected public readonly return satisfies set static
    super switch throw try type typeof var void while with yield`),
  literal: words("true false null undefined NaN Infinity this"),
  builtin: words("string number boolean any unknown never object symbol bigint"),
};

const SPECS = {
  python: {
    comment: HASH,
    string: String.raw`[rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|(?![\s\S]))|'''[\s\S]*?(?:'''|(?![\s\S]))|${DOUBLE}|${SINGLE})`,
    meta: String.raw`(?<=^[ \t]{0,40})${AT}`,
    keyword:
      words(`and as assert async await break case class continue def del elif else except finally
      for from global if import in is lambda match nonlocal not or pass raise return try while with yield`),
    literal: words("True False None self cls"),
    builtin:
      words(`abs all any bool bytes callable chr classmethod dict dir enumerate filter float format
      frozenset getattr hasattr hash hex id input int isinstance issubclass iter len list map max min next
      object open ord pow print property range repr reversed round set setattr slice sorted staticmethod
      str sum super tuple type vars zip`),
  },
  javascript: JAVASCRIPT,
  typescript: JAVASCRIPT,
  json: {
    property: `${DOUBLE}(?=\\s*:)`,
    string: DOUBLE,
    literal: words("true false null"),
  },
  bash: {
    comment: String.raw`(?<=^|[\s;(])#[^\n]*`,
    string: String.raw`"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?`,
    variable: String.raw`\$(?:\{[^}\n]*\}?|[A-Za-z_]\w*|[\d@*#?!$-])`,
    meta: String.raw`(?<=\s)--?[A-Za-z][\w-]*`,
    keyword:
      words(`if then else elif fi for while until do done case esac in function select return exit
      break continue local export readonly declare unset set shift trap source time`),
    builtin:
      words(`awk cat cd chmod chown cp curl cut docker echo env find git grep head kill ls make mkdir
      mv npm pip printf ps python read rm sed sleep sort ssh sudo tail tar tee test touch tr uniq wc xargs`),
  },
  sql: {
    comment: String.raw`--[^\n]*|\/\*[\s\S]*?(?:\*\/|(?![\s\S]))`,
    string: String.raw`'(?:[^']|'')*'?`,
    keyword:
      words(`add all alter and as asc begin between by cascade case check column commit constraint
      create cross database default delete desc distinct drop else end exists explain foreign from full
      function grant group having if in index inner insert into is join key left like limit not null
      offset on or order outer over partition primary procedure references returning right rollback
      row rows select set table then transaction trigger truncate union unique update using values view
      when where window with`),
    literal: words("true false null"),
    builtin:
      words(`avg bigint boolean char coalesce count date decimal float int integer json jsonb max min
      now numeric real serial smallint sum text time timestamp uuid varchar`),
    anyCase: true,
  },
  rust: {
    comment: SLASHES,
    string: String.raw`b?r(#*)"[\s\S]*?(?:"\1|(?![\s\S]))|b?${DOUBLE}|b?'(?:[^'\\\n]|\\(?:u\{[^}]*\}|x..|.))'`,
    variable: String.raw`'[a-z_]\w*`,
    meta: String.raw`#!?\[[^\]\n]*\]?|\b[a-z_]\w*!(?!=)`,
    keyword:
      words(`as async await break const continue crate dyn else enum extern fn for if impl in let loop
      match mod move mut pub ref return static struct super trait type union unsafe use where while`),
    literal: words("true false self Self None Some Ok Err"),
    builtin: words(`bool char f32 f64 i8 i16 i32 i64 i128 isize str u8 u16 u32 u64 u128 usize`),
  },
  go: {
    comment: SLASHES,
    string: `${DOUBLE}|${SINGLE}|\`[^\`]*\`?`,
    keyword:
      words(`break case chan const continue default defer else fallthrough for func go goto if import
      interface map package range return select struct switch type var`),
    literal: words("true false nil iota"),
    builtin:
      words(`any append bool byte cap close copy delete error float32 float64 int int8 int16 int32 int64
      len make new panic print println recover rune string uint uint8 uint16 uint32 uint64`),
  },
  c: {
    comment: SLASHES,
    string: `${DOUBLE}|${SINGLE}`,
    meta: String.raw`(?<=^[ \t]{0,40})#[ \t]*(?:include[ \t]*<[^>\n]*>?|\w+)`,
    keyword: words(C_WORDS),
    literal: words("NULL true false"),
    builtin: words(
      "size_t ssize_t int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t FILE",
    ),
  },
  cpp: {
    comment: SLASHES,
    string: `${DOUBLE}|${SINGLE}`,
    meta: String.raw`(?<=^[ \t]{0,40})#[ \t]*(?:include[ \t]*<[^>\n]*>?|\w+)`,
    keyword:
      words(`${C_WORDS} and catch class concept consteval constexpr const_cast co_await co_return
      co_yield decltype delete dynamic_cast explicit export final friend mutable namespace new noexcept
      not operator or override private protected public reinterpret_cast requires static_assert
      static_cast template this throw try typename using virtual`),
    literal: words("nullptr NULL true false"),
    builtin: words("string vector map set pair optional unique_ptr shared_ptr size_t std"),
  },
  java: {
    comment: SLASHES,
    string: String.raw`"""[\s\S]*?(?:"""|(?![\s\S]))|${DOUBLE}|${SINGLE}`,
    meta: AT,
    keyword:
      words(`abstract assert break case catch class continue default do else enum extends final finally
      for if implements import instanceof interface native new package permits private protected public
      record return sealed static strictfp super switch synchronized this throw throws transient try var
      volatile while yield`),
    literal: words("true false null"),
    builtin: words("boolean byte char double float int long short void String Object"),
  },
  css: {
    comment: String.raw`\/\*[\s\S]*?(?:\*\/|(?![\s\S]))`,
    string: `${DOUBLE}|${SINGLE}`,
    meta: String.raw`@[\w-]+|![a-z]+`,
    property: String.raw`--[\w-]+|(?<=[{;/]\s{0,40})[a-z-]+(?=\s{0,3}:)`,
    number: String.raw`#[\da-fA-F]{3,8}\b|-?\b\d+(?:\.\d+)?(?:%|[a-z]+)?|-?\.\d+[a-z%]*`,
    keyword: words("from to and not only or"),
  },
  yaml: {
    comment: String.raw`(?<=^|\s)#[^\n]*`,
    property: String.raw`(?<=^[ \t]{0,40}(?:- ){0,3})(?:[\w./$-]+|"[^"\n]*"|'[^'\n]*')(?=[ \t]*:(?:\s|$))`,
    string: `${DOUBLE}|(?<=[\\s:,[{-])'(?:[^'\\n]|'')*'?`,
    variable: String.raw`(?<=\s)[&*][\w-]+`,
    meta: String.raw`^---.*|(?<=\s)![\w!/]+`,
    literal: words("true false null yes no on off"),
  },
  html: { tags: true },
  diff: { lines: true },
};

const NAMES = {
  python: ["Python", "python py python3 pycon"],
  javascript: ["JavaScript", "javascript js jsx mjs node"],
  typescript: ["TypeScript", "typescript ts tsx"],
  json: ["JSON", "json jsonc json5"],
  bash: ["Shell", "bash sh shell zsh console"],
  sql: ["SQL", "sql postgresql mysql sqlite"],
  rust: ["Rust", "rust rs"],
  go: ["Go", "go golang"],
  c: ["C", "c h"],
  cpp: ["C++", "cpp c++ cc cxx hpp"],
  java: ["Java", "java"],
  css: ["CSS", "css scss"],
  yaml: ["YAML", "yaml yml"],
  html: ["HTML", "html xml svg htm"],
  diff: ["Diff", "diff patch"],
};

const BY_ALIAS = new Map(
  Object.entries(NAMES).flatMap(([name, [label, aliases]]) =>
    aliases.split(" ").map((alias) => [alias, { name, label, spec: SPECS[name] }]),
  ),
);

/** All names and aliases of known languages. */
export const KNOWN = new Set([...BY_ALIAS.keys(), "text", "plain", "plaintext", "txt"]);

/** `{name, label, spec}` of a language, or null if it is unknown. */
export const language = (alias) => BY_ALIAS.get(String(alias ?? "").toLowerCase()) ?? null;
