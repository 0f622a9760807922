"""Figures of the service on Kafka: bytes on the wire, samples a second against the one process, recovery, chaos.

`python tests/benchmarks/bench_kafka.py [--only PART ...]`. Parts are modules `_kafka_PART.py` beside this file whose
`measured()` gives rows as they are found; all but `sizes` need Kafka's jars (`make kafka-jars`), Java and PostgreSQL.
The twenty runs of `chaos` take two hours and go on where they were left. Rows go to build/bench/kafka.json.
"""

from __future__ import annotations

import argparse
import importlib

from aiops._kernel_cache import use_own_cache
from tests.benchmarks._table import publish

PARTS = ("sizes", "rate", "recovery", "chaos")


def main() -> None:
    """Run the chosen parts one after the other and publish after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    use_own_cache()
    for part in parser.parse_args().only:
        print(f"\n{part}", flush=True)
        for rows in importlib.import_module(f"tests.benchmarks._kafka_{part}").measured():
            publish("kafka", rows)


if __name__ == "__main__":
    main()
