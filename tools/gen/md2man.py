#!/usr/bin/env python3
"""Turns a manual page written in Markdown (docs/man/NAME.SECTION.md) into roff for man(1).

Usage: md2man.py INPUT.md OUTPUT VERSION

The pages use a small subset: one '#' title, '##' sections, '###' subsections, paragraphs, definition
lists (a term line, then a line that starts with ': '), '- ' lists, indented code, tables, and
`code`, *emphasis*, **strong**, [text](target)."""
import re
import sys


def inline(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    parts = re.split(r"(`[^`]+`)", text)
    out = []
    for part in parts:
        if part.startswith("`") and part.endswith("`") and len(part) > 2:
            out.append("\\fB" + part[1:-1] + "\\fR")
            continue
        part = re.sub(r"\*\*([^*]+)\*\*", r"\\fB\1\\fR", part)
        out.append(re.sub(r"(?<!\w)\*([^*\s][^*]*)\*(?!\w)", r"\\fI\1\\fR", part))
    return "".join(out)


def guard(line):
    """A line that begins with a control character would be a request."""
    return "\\&" + line if line.startswith((".", "'")) else line


def convert(lines, version):
    out = []
    i = 0
    while i < len(lines):
        line = lines[i].rstrip("\n")
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if match := re.match(r"# ([\w.-]+)\((\d)\)", line):
            out.append(f'.TH "{match[1].upper()}" "{match[2]}" "" "fapilog {version}" "fapilog manual"')
        elif line.startswith("## "):
            out.append(".SH " + inline(line[3:]).upper())
        elif line.startswith("### "):
            out.append(".SS " + inline(line[4:]))
        elif line.startswith("    "):
            out.append(".PP\n.RS 4\n.nf")
            while i < len(lines) and (lines[i].startswith("    ") or
                                      (not lines[i].strip() and i + 1 < len(lines) and lines[i + 1].startswith("    "))):
                out.append(guard(lines[i].rstrip("\n")[4:].replace("\\", "\\e").replace("-", "\\-")))
                i += 1
            out.append(".fi\n.RE")
            continue
        elif line.startswith("|"):
            rows = []
            while i < len(lines) and lines[i].startswith("|"):
                cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", lines[i].strip()[1:-1])]
                if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                    rows.append(cells)
                i += 1
            for cells in rows[1:]:
                out.append(".TP\n" + guard(inline(cells[0])))
                out.append(guard(inline("; ".join(cell for cell in cells[1:] if cell)) or "\\&"))
            continue
        elif following.startswith(": "):
            out.append(".TP\n" + guard(inline(line)))
            out.append(guard(inline(following[2:].rstrip("\n"))))
            i += 1
        elif line.startswith("- "):
            out.append(".IP \\(bu 2\n" + guard(inline(line[2:])))
        elif not line.strip():
            if following.strip() and not following.startswith(("#", "- ", "    ", "|")):
                after = lines[i + 2] if i + 2 < len(lines) else ""
                if not after.startswith(": "):
                    out.append(".PP")
        else:
            out.append(guard(inline(line.strip())))
        i += 1
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as source:
        text = convert(source.readlines(), sys.argv[3])
    with open(sys.argv[2], "w", encoding="utf-8") as target:
        target.write(text)


main()
