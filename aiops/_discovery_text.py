"""A discovery plan as text: for the terminal, and as the configuration it leads to."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aiops import words
from aiops._cost import core_text
from aiops._discovery_plan import PackPlan, Plan

MOST_NAMES = 12
"""More names in one line are not read (chosen)."""

DEFAULT_MAX_SERIES = 100_000
"""As in `aiops.config.Limits`."""


def plan_text(plan: Plan) -> str:
    """The plan for a person to decide on."""
    if not plan.packs:
        return _nothing(plan)
    lines = [f"{_many(plan.metrics, 'metric')} on this server; {_many(len(plan.packs), 'signal pack')} found.", ""]
    lines += [line for pack in plan.packs for line in _pack_lines(pack)]
    lines += ["", *_totals(plan)]
    lines += [f"! {problem}" for problem in plan.problems]
    return "\n".join(lines) + "\n"


def config_text(plan: Plan, url: str) -> str:
    """A commented configuration that watches what the plan found on the server at `url`."""
    return _CONFIG.format(
        url=json.dumps(url),
        step_s=f"{plan.step_s:g}",
        found="\n".join(f"    #   {one.pack.name}: {_counted(one)}" for one in plan.packs) or "    #   none",
        names=", ".join(one.pack.name for one in plan.packs) or "prometheus_http",
        max_series=max(DEFAULT_MAX_SERIES, 2 * plan.series),
        edges=_edges_comment(plan),
    )


def _nothing(plan: Plan) -> str:
    return (
        f"{_many(plan.metrics, 'metric')} on this server, but no signal pack knows any of them.\n"
        "Write the signals of your own metrics under `signals` in the configuration, or a pack of your own:\n"
        "docs/signal_packs.md shows how, with examples.\n"
    )


def _pack_lines(one: PackPlan) -> list[str]:
    lines = [f"{one.pack.name}: {one.pack.title}", f"  {_counted(one)}"]
    counts: dict[str, int] = {}
    for signal in one.signals:
        name = signal.recipe.signal.name + ("*" if signal.recipe.signal.pages else "")
        counts[name] = counts.get(name, 0) + signal.series
    if counts:
        lines.append("  " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
    if one.services:
        lines.append(f"  of {_named(one.services)}")
    return lines


def _totals(plan: Plan) -> list[str]:
    memory = words.quantity(plan.memory_bytes, "bytes")
    queries = words.plain(plan.queries_per_minute)
    paging = _many(len(plan.paging_services), "service")
    return [
        f"In all {plan.series:,} series of {_many(len(plan.services), 'service')}: about {memory} of memory for them,",
        f"{core_text(plan.cores)}, and {queries} queries a minute on the server (one value every {plan.step_s:g} s).",
        f"Only signals marked * open incidents, the rest is evidence: {paging} with such a signal.",
        *_paging_lines(plan),
        *_graph_lines(plan),
    ]


def _paging_lines(plan: Plan) -> list[str]:
    if plan.paging_services:
        return []
    return [
        "So nothing can open an incident yet: name latency, errors or traffic of your own, see docs/signal_packs.md."
    ]


def _graph_lines(plan: Plan) -> list[str]:
    edges = sum(one.edges for one in plan.packs)
    if edges:
        return [f"Calls between services are known from metrics: {edges:,}."]
    return ["No metric tells who calls whom: name a file or Jaeger under `graph`, or causes are found less well."]


def _counted(one: PackPlan) -> str:
    parts = [_many(len(one.services), "service"), f"{one.series:,} series"]
    if one.edges:
        parts.append(f"{_many(one.edges, 'call')} between services")
    return ", ".join(parts)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES:,} more"


def _edges_comment(plan: Plan) -> str:
    edges = sum(one.edges for one in plan.packs)
    if edges:
        return f"# The metrics tell {_many(edges, 'call')}; a file or Jaeger may add to them."
    return "# No metric here tells who calls whom: without a file or Jaeger causes are found less well."


_CONFIG = """\
# Configuration of aiops. Check it with `aiops check-config FILE`, start with `aiops run --config FILE`.
# Lines that start with # are defaults or examples. Unknown keys are errors. ${{NAME}} is replaced by the environment
# variable NAME: keep secrets in files or there.

prometheus:
  - url: {url}
    # Seconds between two values of a signal. Twice the scrape interval or more is best.
    step_s: {step_s}
    # Read this much of the past at the first start, so that the detectors know what is normal.
    history_days: 3
    # Which signal packs to use; auto = all that match, looked up at each start. Found were:
{found}
    # To use some only, name them: packs: [{names}]
    packs: auto
    # If the server asks for more:
    # headers: {{X-Custom: value}}
    # tenant: my-team                      # sent as X-Scope-OrgID (Mimir, Cortex, Loki style tenants)
    # bearer_token_file: /etc/aiops/token
    # basic_auth: {{username: aiops, password_file: /etc/aiops/password}}
    # ca_file: /etc/ssl/certs/internal-ca.pem

# Where the web page, the API, /metrics and the receivers of alerts and events listen.
listen:
  host: 127.0.0.1                          # 0.0.0.0 = everywhere; then set a token_file too
  port: 8080

detection:
  # False pages you accept per paging series in 30 days. Smaller = quieter and slower.
  page_budget_per_30d: 1

triage:
  group_wait_s: 30                         # time to gather what belongs together before anybody is told
  hold_s: 300                              # quiet time before an incident is resolved

# Who calls whom. It decides what is one incident, and where its cause is looked for.
graph:
  {edges}
  # file: graph.yaml                       # edges: {{checkout: [payments, cart]}}
  # jaeger_url: http://jaeger-query:16686
  refresh_s: 60
  max_age_s: 3600                          # a call not seen for so long is forgotten

# Who is told. The console is always a good start.
notifiers:
  - kind: console
  # - kind: webhook
  #   name: chat
  #   url: https://example.org/hook

# State: incidents, what has been learnt, what is still to be told. Keep this file over restarts.
store:
  path: aiops.sqlite

limits:
  max_series: {max_series}                       # what exceeds it is refused, counted and said

# Signals of your own metrics, in the format of a signal pack (docs/signal_packs.md).
# signals:
#   - signal: orders_rate
#     kind: traffic                        # latency, errors, traffic or saturation
#     direction: down                      # which way is bad
#     unit: orders/s
#     pages: true                          # false = evidence only
#     min_absolute: 0.5                    # smaller changes are nobody's business,
#     min_relative: 0.3                    # nor smaller ones as a share of the usual value
#     description: Orders per second
#     form: rate
#     of: shop_orders_total{{status="paid"}}
#     service: [job]
"""
