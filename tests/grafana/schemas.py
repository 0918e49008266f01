"""Strict shapes of Grafana's provisioning files: Grafana ignores unknown keys without a word, so they are errors here.

Keys are those of the Go structs (pkg/services/provisioning/{datasources,dashboards,alerting}); only what we use is
here, and everything else is refused.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


Uid = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Duration = Annotated[str, Field(pattern=r"^(\d+(ms|s|m|h|d|w))+$")]


class JsonData(Strict):
    version: Literal["InfluxQL"]
    dbName: str
    httpMode: Literal["POST"]
    timeInterval: Duration


class Password(Strict):
    password: str


class Datasource(Strict):
    name: str
    uid: Uid
    type: Literal["influxdb"]
    access: Literal["proxy"]
    url: str
    isDefault: bool
    editable: bool
    user: str
    jsonData: JsonData
    secureJsonData: Password


class Datasources(Strict):
    apiVersion: Literal[1]
    prune: bool
    datasources: list[Datasource]


class ProviderOptions(Strict):
    path: str
    foldersFromFilesStructure: bool


class Provider(Strict):
    name: str
    orgId: Literal[1]
    folder: str
    type: Literal["file"]
    disableDeletion: bool
    allowUiUpdates: bool
    updateIntervalSeconds: int
    options: ProviderOptions


class Providers(Strict):
    apiVersion: Literal[1]
    providers: list[Provider]


class Range(Strict):
    from_: Annotated[int, Field(alias="from", ge=0)]
    to: Annotated[int, Field(ge=0)]


class QueryModel(Strict):
    refId: str
    rawQuery: Literal[True]
    resultFormat: Literal["time_series"]
    query: str
    intervalMs: int
    maxDataPoints: int


class Evaluator(Strict):
    type: Literal["gt", "lt"]
    params: list[float]


class Condition(Strict):
    evaluator: Evaluator


class Reduce(Strict):
    refId: str
    type: Literal["reduce"]
    expression: str
    reducer: Literal["mean", "max", "min", "last", "sum", "count"]
    settings: dict[Literal["mode"], Literal["dropNN"]]


class Math(Strict):
    refId: str
    type: Literal["math"]
    expression: str


class Threshold(Strict):
    refId: str
    type: Literal["threshold"]
    expression: str
    conditions: Annotated[list[Condition], Field(min_length=1, max_length=1)]


class QueryNode(Strict):
    refId: str
    datasourceUid: Literal["influx-influxql"]
    relativeTimeRange: Range
    model: QueryModel


class ExpressionNode(Strict):
    refId: str
    datasourceUid: Literal["__expr__"]
    model: Reduce | Math | Threshold


class Rule(Strict):
    uid: Uid
    title: str
    condition: str
    for_: Annotated[Duration, Field(alias="for")]
    noDataState: Literal["OK"]
    execErrState: Literal["OK", "Alerting", "Error", "KeepLast"]
    dashboardUid: Uid
    panelId: int
    labels: dict[str, str]
    annotations: dict[str, str]
    data: list[QueryNode | ExpressionNode]


class Group(Strict):
    orgId: Literal[1]
    name: str
    folder: str
    interval: Duration
    rules: Annotated[list[Rule], Field(min_length=1)]


class Rules(Strict):
    apiVersion: Literal[1]
    groups: list[Group]


class Receiver(Strict):
    uid: Uid
    type: Literal["webhook", "email", "discord", "slack"]
    settings: dict[Literal["url", "addresses", "singleEmail", "subject", "title", "message", "text"], Any]
    disableResolveMessage: bool


class ContactPoint(Strict):
    orgId: Literal[1]
    name: str
    receivers: list[Receiver]


class ContactPoints(Strict):
    apiVersion: Literal[1]
    contactPoints: list[ContactPoint]


class Route(Strict):
    receiver: str
    object_matchers: list[Annotated[tuple[str, Literal["=", "!=", "=~", "!~"], str], Field(strict=False)]]
    repeat_interval: Duration | None = None
    mute_time_intervals: list[str] = []


class Policy(Strict):
    orgId: Literal[1]
    receiver: str
    group_by: list[str]
    group_wait: Duration
    group_interval: Duration
    repeat_interval: Duration
    routes: list[Route]


class Policies(Strict):
    apiVersion: Literal[1]
    policies: Annotated[list[Policy], Field(min_length=1, max_length=1)]


class Times(Strict):
    start_time: Annotated[str, Field(pattern=r"^\d\d:\d\d$")]
    end_time: Annotated[str, Field(pattern=r"^\d\d:\d\d$")]


class Interval(Strict):
    times: list[Times]
    location: str


class MuteTime(Strict):
    orgId: Literal[1]
    name: str
    time_intervals: list[Interval]


class MuteTimes(Strict):
    apiVersion: Literal[1]
    muteTimes: list[MuteTime]


class Template(Strict):
    orgId: Literal[1]
    name: str
    template: str


class Templates(Strict):
    apiVersion: Literal[1]
    templates: list[Template]
