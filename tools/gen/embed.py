#!/usr/bin/env python3
"""A file as a C array: embed.py INPUT OUTPUT NAME."""
import sys

source, target, name = sys.argv[1:]
with open(source, "rb") as f:
    data = f.read()
with open(target, "w") as f:
    f.write('#include <stddef.h>\n\nextern const char %s[];\nextern const size_t %s_bytes;\n\n' % (name, name))
    f.write("const char %s[] = {\n" % name)
    for i in range(0, len(data), 20):
        f.write("    " + ", ".join("'\\x%02x'" % b for b in data[i:i + 20]) + ",\n")
    f.write("};\nconst size_t %s_bytes = sizeof %s;\n" % (name, name))
