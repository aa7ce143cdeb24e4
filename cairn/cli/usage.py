"""`cairn usage`: what each job has used and what that costs."""

from collections import defaultdict

from cairn.cli.tables import console, price, short_id, short_state, table
from cairn.client import Client
from cairn.stack import find


def show_usage(name: str | None) -> None:
    """A line per job and the sum."""
    rows = Client(find(name)).usage()
    if not rows:
        console.print("Nothing used yet.")
        return
    result = table("Usage", "ID", "NAME", "STATE", ">CPU s", ">MEMORY GiB s", ">GPU s", ">PRICE")
    totals: dict[str, float] = defaultdict(float)
    for row in rows:
        totals[row["currency"]] += float(row["price"])
        result.add_row(
            short_id(row["name"]),
            row.get("display_name", ""),
            short_state(row["state"]),
            f"{row['cpu_seconds']:.1f}",
            f"{row['memory_gib_seconds']:.1f}",
            f"{row['gpu_seconds']:.1f}",
            price(row),
        )
    console.print(result)
    for currency, total in totals.items():
        console.print(f"Total {total:.4f} {currency}")
