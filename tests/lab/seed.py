#!/usr/bin/python3
"""Fills or changes a lab domain controller's database from a description; never talks LDAP and never starts a server.

  seed.py DIR FILE.json     adds the described objects in one transaction (fast)
  seed.py DIR FILE.ldif     carries out LDIF records: plain entries are added, changetype add/modify/delete/modrdn applied;
                            changetype: reanimate brings the deleted object of that DN back, as Restore-ADObject does
  FILE may be - for stdin (JSON if the first character is { or [, else LDIF).

It works on DIR/private/sam.ldb while the server runs. The JSON form is a list of objects (or {"objects": [...]}):

  {"dn": "OU=Sales", "class": "organizationalUnit"}
  {"dn": "CN=Zoë Łuk,OU=Sales", "class": "user", "attributes": {"sAMAccountName": "zoe", "mail": "zoe@example.com",
     "proxyAddresses": ["SMTP:zoe@example.com"], "jpegPhoto": {"base64": "/9j/"}}, "enabled": true, "password": "clear text"}
  {"repeat": 3000, "dn": "CN=member{n:04},OU=Big", "class": "user", "attributes": {"sAMAccountName": "member{n:04}"}}
  {"dn": "CN=All,OU=Big", "class": "group", "attributes": {"member": {"repeat": 3000, "value": "CN=member{n:04},OU=Big"}}}

DNs are relative to the domain unless they end in the domain's DN; {n} counts from 1. "enabled": users get
userAccountControl 512 (true) or 514 (false, the default). "password" sets a clear-text password (57 a second);
"nt_hash" (32 hex digits, or {n:032x}) sets the hash itself, without key derivation (1,200 a second).
"""

import base64
import json
import re
import sys
import time

# Another python3 may stand first in PATH; Samba's modules belong to the system's.
sys.path.append("/usr/lib/python3/dist-packages")

import ldb  # noqa: E402
from samba.auth import system_session  # noqa: E402
from samba.param import LoadParm  # noqa: E402
from samba.samdb import SamDB  # noqa: E402

DN_ATTRIBUTES = {"member", "manager", "managedby", "secretary", "seealso", "assistant", "publicdelegates", "roleoccupant"}
BYPASS_PASSWORD_HASH = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"


# Without these two, 20,000 objects in one transaction take 12 minutes instead of one.
FAST = ["batch_mode:1", "transaction_index_cache_size:400000"]


def open_sam(folder, options):
    lp = LoadParm()
    lp.load(folder + "/etc/smb.conf")
    return SamDB(url=folder + "/private/sam.ldb", session_info=system_session(lp), lp=lp, options=options)


def number(text, n):
    return text.format(n=n) if "{n" in text else text


def absolute(dn, domain):
    return dn if dn.lower().endswith(domain.lower()) else (dn + "," + domain if dn else domain)


def values(value, n, is_dn, domain):
    if isinstance(value, list):
        return [v for one in value for v in values(one, n, is_dn, domain)]
    if isinstance(value, dict):
        if "base64" in value:
            return [base64.b64decode(value["base64"])]
        return [v for i in range(1, value["repeat"] + 1) for v in values(value["value"], i, is_dn, domain)]
    if isinstance(value, bool):
        value = "TRUE" if value else "FALSE"
    text = number(str(value), n)
    return [(absolute(text, domain) if is_dn else text).encode()]


def message(sam, entry, n, domain):
    """One ldb message, the controls it needs, and how many members were put aside for one modify afterwards."""
    msg = ldb.Message(ldb.Dn(sam, absolute(number(entry["dn"], n), domain)))
    kind = entry["class"]
    controls = []
    attributes = dict(entry.get("attributes", {}))
    attributes["objectClass"] = kind
    late = None
    if kind in ("user", "inetOrgPerson"):
        enabled = entry.get("enabled", False)
        attributes.setdefault("userAccountControl", "512" if enabled else "514")
        if enabled and "password" not in entry and "nt_hash" not in entry:
            # Password not required: an enabled account without one is refused otherwise.
            attributes["userAccountControl"] = str(int(attributes["userAccountControl"]) | 0x20)
    for name, value in attributes.items():
        vs = values(value, n, name.lower() in DN_ATTRIBUTES, domain)
        if name.lower() == "member" and len(vs) > 100:
            late = vs
            continue
        if vs:
            msg[name] = ldb.MessageElement(vs, ldb.FLAG_MOD_ADD, name)
    if "password" in entry:
        msg["unicodePwd"] = ldb.MessageElement(('"%s"' % entry["password"]).encode("utf-16-le"), ldb.FLAG_MOD_ADD, "unicodePwd")
    elif "nt_hash" in entry:
        msg["unicodePwd"] = ldb.MessageElement(bytes.fromhex(number(entry["nt_hash"], n)), ldb.FLAG_MOD_ADD, "unicodePwd")
        controls.append(BYPASS_PASSWORD_HASH)
    return msg, controls, late


def seed_json(sam, described):
    domain = str(sam.domain_dn())
    entries = described["objects"] if isinstance(described, dict) else described
    added, late = 0, []
    for entry in entries:
        for n in range(1, entry.get("repeat", 1) + 1):
            msg, controls, members = message(sam, entry, n, domain)
            try:
                sam.add(msg, controls=controls or None)
            except ldb.LdbError as e:
                raise SystemExit("seed: cannot add %s: %s" % (msg.dn, e.args[1]))
            added += 1
            if members:
                late.append((msg.dn, members))
    for dn, members in late:
        change = ldb.Message(dn)
        change["member"] = ldb.MessageElement(members, ldb.FLAG_MOD_ADD, "member")
        sam.modify(change)
    return added


def ldif_lines(record):
    """The attribute lines of one LDIF record, unfolded and decoded, as a dictionary with lower-case names."""
    lines = {}
    for line in record.replace("\n ", "").splitlines():
        if line.startswith("#") or ":" not in line:
            continue
        name, value = line.split(":", 1)
        if value.startswith(":"):
            value = base64.b64decode(value[1:].strip()).decode(errors="replace")
        lines.setdefault(name.lower(), value.strip())
    return lines


def seed_ldif(sam, text):
    done = 0
    for record in re.split(r"\n\s*\n", text.replace("\r\n", "\n")):
        lines = ldif_lines(record)
        if "dn" not in lines:
            continue
        try:
            change_ldif(sam, record, lines)
        except ldb.LdbError as e:
            raise SystemExit("seed: cannot change %s: %s" % (lines["dn"], e.args[1]))
        done += 1
    return done


def change_ldif(sam, record, lines):
    if lines.get("changetype", "").lower() in ("modrdn", "moddn"):
        # python3-ldb does not parse this change type.
        old = ldb.Dn(sam, lines["dn"])
        superior = lines.get("newsuperior", str(old.parent()))
        sam.rename(old, ldb.Dn(sam, "%s,%s" % (lines["newrdn"], superior)))
        return
    if lines.get("changetype", "").lower() == "reanimate":
        reanimate(sam, ldb.Dn(sam, lines["dn"]))
        return
    for change, msg in sam.parse_ldif(record.strip() + "\n"):
        if change in (ldb.CHANGETYPE_NONE, ldb.CHANGETYPE_ADD):
            sam.add(msg)
        elif change == ldb.CHANGETYPE_MODIFY:
            sam.modify(msg)
        elif change == ldb.CHANGETYPE_DELETE:
            # A container goes with what is in it, as a directory console does it.
            sam.delete(msg.dn, ["tree_delete:1"])
        else:
            raise SystemExit("seed: unknown change type of %s" % msg.dn)


def reanimate(sam, dn):
    """MS-ADTS 3.1.1.5.3.7: isDeleted away and the old DN back in one modification. Without a recycle bin hardly anything is left."""
    # The RDN of a deleted object is its old one with a line break, DEL: and its GUID behind it.
    deleted = sam.search(base=sam.domain_dn(), expression="(&(isDeleted=TRUE)(cn=*))", attrs=["cn", "lastKnownParent"],
                         controls=["show_deleted:1"])
    mark = (dn.get_rdn_value() + "\nDEL:").encode()
    found = [one for one in deleted if one["cn"][0].startswith(mark)
             and ldb.Dn(sam, one["lastKnownParent"][0].decode()) == dn.parent()]
    if len(found) != 1:
        raise SystemExit("seed: %d deleted objects stood at %s" % (len(found), dn))
    change = ldb.Message(found[0].dn)
    change["isDeleted"] = ldb.MessageElement([], ldb.FLAG_MOD_DELETE, "isDeleted")
    change["distinguishedName"] = ldb.MessageElement([str(dn)], ldb.FLAG_MOD_REPLACE, "distinguishedName")
    sam.modify(change, controls=["show_deleted:1"])


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    folder, file = sys.argv[1].rstrip("/"), sys.argv[2]
    text = sys.stdin.read() if file == "-" else open(file, encoding="utf-8").read()
    began = time.monotonic()
    is_json = text.lstrip()[:1] in ("{", "[")
    # Batch mode gives a whole transaction up when one operation fails inside, which clearing a link does on its way.
    sam = open_sam(folder, FAST if is_json else [])
    sam.transaction_start()
    try:
        if is_json:
            count = seed_json(sam, json.loads(text))
        else:
            count = seed_ldif(sam, text)
    except BaseException:
        sam.transaction_cancel()
        raise
    sam.transaction_commit()
    print("seed: %d records in %.1f s" % (count, time.monotonic() - began))


if __name__ == "__main__":
    main()
