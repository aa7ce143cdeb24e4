"""`cairn audit`: who changed what, and who was refused."""

from cairn.cli.tables import age, console, table
from cairn.client import Client
from cairn.stack import find


def show_audit(name: str | None, principal: str, resource: str, count: int) -> None:
    """The newest entries, a line each."""
    entries = Client(find(name)).audit(count, principal=principal, resource=resource)
    if not entries:
        console.print("Nothing of that kind is in the audit log.")
        return
    result = table("Audit log", ">AGE", "WHO", "ROLE", "DID", "TO", ">STATUS", "FROM")
    for each in entries:
        what = (each["principal"], each["role"], each["method"], each["resource"], str(each["status"]), each["source"])
        result.add_row(age(each["time"]), *what)
    console.print(result)
