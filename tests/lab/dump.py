#!/usr/bin/python3
"""Prints a lab domain controller's own database as JSON lines: the oracle that a connector's import is compared with.

  dump.py DIR [--base DN] [--scope sub|one|base] [--filter F] [--deleted] [--hashes] [ATTRIBUTE ...]

It reads DIR/private/sam.ldb through python3-ldb as the system, without LDAP and without the connector, so that both
cannot agree on one mistake. One line per object: {"dn": "...", "attributes": {"name": ["base64", ...]}}, attributes in
alphabetical order, values in the database's order, every value base64 of its bytes. Without attribute names all stored
attributes are printed but password material; --hashes adds the NT hash (unicodePwd). Changes nothing.
"""

import argparse
import base64
import json
import sys

sys.path.append("/usr/lib/python3/dist-packages")

import ldb  # noqa: E402
from samba.auth import system_session  # noqa: E402
from samba.param import LoadParm  # noqa: E402
from samba.samdb import SamDB  # noqa: E402

SECRET = {"unicodepwd", "dbcspwd", "ntpwdhistory", "lmpwdhistory", "supplementalcredentials", "clearTextPassword".lower(),
          "priorvalue", "currentvalue", "trustauthincoming", "trustauthoutgoing", "initialauthincoming",
          "initialauthoutgoing", "msds-executescriptpassword"}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--base")
    p.add_argument("--scope", choices=["sub", "one", "base"], default="sub")
    p.add_argument("--filter", default="(objectClass=*)")
    p.add_argument("--deleted", action="store_true")
    p.add_argument("--hashes", action="store_true")
    p.add_argument("attributes", nargs="*")
    a = p.parse_intermixed_args()
    folder = a.folder.rstrip("/")
    secret = SECRET - {"unicodepwd"} if a.hashes else SECRET
    lp = LoadParm()
    lp.load(folder + "/etc/smb.conf")
    sam = SamDB(url=folder + "/private/sam.ldb", session_info=system_session(lp), lp=lp)
    scope = {"sub": ldb.SCOPE_SUBTREE, "one": ldb.SCOPE_ONELEVEL, "base": ldb.SCOPE_BASE}[a.scope]
    found = sam.search(base=a.base or sam.domain_dn(), scope=scope, expression=a.filter, attrs=a.attributes or ["*"],
                       controls=["show_deleted:1"] if a.deleted else None)
    for msg in found:
        attributes = {name: [base64.b64encode(bytes(v)).decode() for v in msg[name]]
                      for name in sorted(msg.keys(), key=str.lower)
                      if name != "dn" and name.lower() not in secret}
        sys.stdout.write(json.dumps({"dn": str(msg.dn), "attributes": attributes}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
