"""The example queries of CloudWatch's documentation, each over lines made for it, with the rows worked out by hand.

The pages are those of https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/ with `.html` at the end.
"""

from dataclasses import dataclass

import pytest

from insights import LogLine, NotInSubsetError, QueryError, parse
from insights.run import Cell
from tests.insights import line, minutes, rows

EXAMPLES = "CWL_QuerySyntax-examples"
FILTER = "CWL_QuerySyntax-Filter"
STATS = "CWL_QuerySyntax-Stats"
FUNCTIONS = "CWL_QuerySyntax-operations-functions"
PARSE = "CWL_QuerySyntax-Parse"

LAMBDA = "/aws/lambda/function"


def report(at: str, duration: str, used: int) -> LogLine:
    text = (
        f"REPORT RequestId: 8b8d2f84\tDuration: {duration} ms\tBilled Duration: 300 ms\t"
        f"Memory Size: 1024 MB\tMax Memory Used: {used} MB"
    )
    return line(at, text, group=LAMBDA)


@dataclass(frozen=True)
class Example:
    page: str
    query: str
    lines: list[LogLine]
    rows: list[tuple[Cell, ...]]


SERVERS = [
    line("10:00", {"server": "a", "severity": "low", "message": "first"}),
    line("10:01", {"server": "b", "severity": "low", "message": "second"}),
    line("10:02", {"server": "a", "severity": "high", "message": "third"}),
    line("10:03", {"server": "a", "severity": "low", "message": "fourth"}),
    line("10:04", {"severity": "low", "message": "without a server"}),
]
FLOWS = minutes(
    {"srcAddr": "10.0.0.1", "dstAddr": "10.0.1.1", "packets": 5, "bytes": 500, "protocol": 17, "logStatus": "OK"},
    {"srcAddr": "10.0.0.1", "dstAddr": "10.0.1.1", "packets": 7, "bytes": 100, "protocol": 6, "logStatus": "SKIPDATA"},
    {"srcAddr": "10.0.0.2", "dstAddr": "10.0.1.1", "packets": 20, "bytes": 60, "protocol": 17, "logStatus": "OK"},
    {"srcAddr": "10.0.0.1", "dstAddr": "10.0.1.2", "packets": 1, "bytes": 90, "protocol": 17, "logStatus": "SKIPDATA"},
)
REQUESTS = minutes(
    {"status": 200, "path": "/a", "httpMethod": "GET", "ip": "1.1.1.1", "responseLatency": 9, "integrationLatency": 4},
    {"status": 404, "path": "/b", "httpMethod": "GET", "ip": "2.2.2.2", "responseLatency": 20},
    {
        "status": 200,
        "path": "/a",
        "httpMethod": "POST",
        "ip": "1.1.1.1",
        "responseLatency": 99,
        "integrationLatency": 8,
    },
    {"status": 500, "path": "/a", "httpMethod": "GET", "ip": "3.3.3.3", "responseLatency": 1},
)
TLS = [
    {"eventSource": "s3", "eventName": "Get", "awsRegion": "eu", "tlsDetails": {"tlsVersion": "TLSv1"}},
    {"eventSource": "ec2", "eventName": "Run", "awsRegion": "us", "tlsDetails": {"tlsVersion": "TLSv1.1"}},
    {"eventSource": "ec2", "eventName": "Run", "awsRegion": "us", "tlsDetails": {"tlsVersion": "TLSv1.1"}},
    {"eventSource": "ec2", "eventName": "Run", "awsRegion": "us", "tlsDetails": {"tlsVersion": "TLSv1.3"}},
]
CALLS = minutes(
    {"eventSource": "ec2", "eventName": "StartInstances", "awsRegion": "us-east-2"},
    {"eventSource": "ec2", "eventName": "StartInstances", "awsRegion": "us-west-1"},
    {"eventSource": "ec2", "eventName": "StartInstances", "awsRegion": "us-east-2"},
    {"eventSource": "iam", "eventName": "CreateUser", "awsRegion": "us-east-1", "requestParameters": {"userName": "Al"},
     "responseElements": {"user": {"arn": "arn:aws:iam::1:user/Al"}}},
    {"eventSource": "trail", "eventName": "UpdateTrail", "errorCode": "NotFound", "errorMessage": "no such trail"},
    {"eventSource": "trail", "eventName": "UpdateTrail"},
)  # fmt: skip
USERS = minutes(
    "user=ann, method:get, latency := 10",
    "user=bob, method:get, latency := 30",
    "user=ann, method:get, latency := 20",
    "nothing of the kind",
)
ERROR_LINE = "25 May 2019 10:24:39,474 [ERROR] {foo=2, bar=data} The error was: DataIntegrityException"
LEVELS = minutes("10:00 [ERROR] it broke", "10:01 [INFO] it works", "10:02 [DEBUG] it turns")
F1 = minutes(
    {"f1": "an Exception here", "f3": "x"}, {"f1": "an exception there"}, {"f1": "all is well"}, {"f3": "only"}
)
STATUS_CODES = minutes({"statusCode": 204}, {"statusCode": "300"}, {"statusCode": 400}, {"statusCode": 404}, "no code")
TYPES = minutes({"Type": "foo"}, {"Type": "bar"}, {"Type": 1}, {"Type": "1"}, {"Type": "baz"}, {"other": "foo"})
# Where the documentation has 01 before 1, which is the same number.
NATURAL_ORDER = (
    *("!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh"),
    *("0", "01", "1", "2", "3"),
)
SIZES = [line("10:00", "a" * 3), line("10:04", "a" * 5), line("10:06", "a" * 12), line("10:14", "a" * 40)]
MB = 1024 * 1024

RUNNING = [
    Example(
        EXAMPLES,
        "fields @timestamp, @message | sort @timestamp desc | limit 25",
        [line(f"10:{minute:02}", f"line {minute}") for minute in range(27)],
        [(f"2024-05-01 10:{minute:02}:00.000", f"line {minute}") for minute in range(26, 1, -1)],
    ),
    Example(
        EXAMPLES,
        """filter @message like /Exception/
    | stats count(*) as exceptionCount by bin(1h)
    | sort exceptionCount desc""",
        [line("10:59:59.999", "Exception"), line("11:00", "Exception"), line("11:30", "IOException")],
        [("2024-05-01 11:00:00.000", 2), ("2024-05-01 10:00:00.000", 1)],
    ),
    Example(
        EXAMPLES,
        "fields @message | filter @message not like /Exception/",
        minutes("Exception", "fine", "exception"),
        [("exception",), ("fine",)],
    ),
    Example(
        EXAMPLES,
        "fields @timestamp, server, severity, message\n| sort @timestamp asc\n| dedup server",
        SERVERS,
        [
            ("2024-05-01 10:00:00.000", "a", "low", "first"),
            ("2024-05-01 10:01:00.000", "b", "low", "second"),
            ("2024-05-01 10:04:00.000", None, "low", "without a server"),
        ],
    ),
    Example(
        EXAMPLES,
        "fields @timestamp, server, severity, message\n| sort @timestamp desc\n| dedup server, severity",
        SERVERS,
        [
            ("2024-05-01 10:04:00.000", None, "low", "without a server"),
            ("2024-05-01 10:03:00.000", "a", "low", "fourth"),
            ("2024-05-01 10:02:00.000", "a", "high", "third"),
            ("2024-05-01 10:01:00.000", "b", "low", "second"),
        ],
    ),
    Example(
        EXAMPLES,
        """filter @type = "REPORT"
    | stats max(@memorySize / 1000 / 1000) as provisonedMemoryMB,
        min(@maxMemoryUsed / 1000 / 1000) as smallestMemoryRequestMB,
        avg(@maxMemoryUsed / 1000 / 1000) as avgMemoryUsedMB,
        max(@maxMemoryUsed / 1000 / 1000) as maxMemoryUsedMB,
        provisonedMemoryMB - maxMemoryUsedMB as overProvisionedMB""",
        [report("10:00", "1.5", 100), report("10:01", "2", 200), line("10:02", "START RequestId: 1", group=LAMBDA)],
        [(1024, 100, 150, 200, 824)],
    ),
    Example(
        EXAMPLES,
        'filter @type = "REPORT" |\n    stats avg(@duration), max(@duration), min(@duration) by bin(5m)',
        [report("10:01", "10.5", 1), report("10:04", "20.5", 1), report("10:05", "7", 1)],
        [("2024-05-01 10:05:00.000", 7, 7, 7), ("2024-05-01 10:00:00.000", 15.5, 20.5, 10.5)],
    ),
    Example(
        EXAMPLES,
        """stats sum(packets) as packetsTransferred by srcAddr, dstAddr
    | sort packetsTransferred  desc
    | limit 15""",
        FLOWS,
        [("10.0.0.2", "10.0.1.1", 20), ("10.0.0.1", "10.0.1.1", 12), ("10.0.0.1", "10.0.1.2", 1)],
    ),
    Example(
        EXAMPLES, "filter protocol=17 | stats count(*) by srcAddr", FLOWS, [("10.0.0.1", 2), ("10.0.0.2", 1)]
    ),
    Example(
        EXAMPLES,
        'filter logStatus="SKIPDATA"\n    | stats count(*) by bin(1h) as t\n    | sort t',
        [*FLOWS, line("09:59", {"logStatus": "SKIPDATA"})],
        [("2024-05-01 09:00:00.000", 1), ("2024-05-01 10:00:00.000", 2)],
    ),
    Example(
        EXAMPLES,
        """fields @timestamp, srcAddr, dstAddr, srcPort, dstPort, protocol, bytes
| filter logStream = 'vpc-flow-logs' and interfaceId = 'eni-0123456789abcdef0'
| sort @timestamp desc
| dedup srcAddr, dstAddr, srcPort, dstPort, protocol
| limit 20""",
        minutes(
            *[
                {"logStream": "vpc-flow-logs", "interfaceId": interface, "srcAddr": "1", "dstAddr": "2", "srcPort": 3,
                 "dstPort": port, "protocol": 6, "bytes": size}
                for interface, port, size in (
                    ("eni-0123456789abcdef0", 80, 1),
                    ("eni-0123456789abcdef0", 80, 2),
                    ("eni-0123456789abcdef0", 443, 3),
                    ("eni-1", 443, 4),
                )
            ]
        ),
        [
            ("2024-05-01 10:02:00.000", "1", "2", "3", "443", "6", "3"),
            ("2024-05-01 10:01:00.000", "1", "2", "3", "80", "6", "2"),
        ],
    ),
    Example(
        EXAMPLES,
        "stats count(*) by queryType, bin(1h)",
        [line("10:00", {"queryType": "A"}), line("10:10", {"queryType": "A"}), line("11:00", {"queryType": "MX"})],
        [("A", "2024-05-01 10:00:00.000", 2), ("MX", "2024-05-01 11:00:00.000", 1)],
    ),
    Example(
        EXAMPLES,
        "stats count(*) as numRequests by resolverIp\n    | sort numRequests desc\n    | limit 10",
        minutes({"resolverIp": "9.9.9.9"}, {"resolverIp": "8.8.8.8"}, {"resolverIp": "9.9.9.9"}),
        [("9.9.9.9", 2), ("8.8.8.8", 1)],
    ),
    Example(
        EXAMPLES,
        'filter responseCode="SERVFAIL" | stats count(*) by queryName',
        minutes({"responseCode": "SERVFAIL", "queryName": "a.org"}, {"responseCode": "OK", "queryName": "a.org"}),
        [("a.org", 1)],
    ),
    Example(
        EXAMPLES,
        "stats count(*) by eventSource, eventName, awsRegion",
        CALLS[:4],
        [
            ("ec2", "StartInstances", "us-east-2", 2),
            ("ec2", "StartInstances", "us-west-1", 1),
            ("iam", "CreateUser", "us-east-1", 1),
        ],
    ),
    Example(
        EXAMPLES,
        'filter (eventName="StartInstances" or eventName="StopInstances") and awsRegion="us-east-2"',
        CALLS,
        [("2024-05-01 10:02:00.000", CALLS[2].message), ("2024-05-01 10:00:00.000", CALLS[0].message)],
    ),
    Example(
        EXAMPLES,
        """filter eventName="CreateUser"
    | fields awsRegion, requestParameters.userName, responseElements.user.arn""",
        CALLS,
        [("us-east-1", "Al", "arn:aws:iam::1:user/Al")],
    ),
    Example(
        EXAMPLES,
        """filter eventName="UpdateTrail" and ispresent(errorCode)
    | stats count(*) by errorCode, errorMessage""",
        CALLS,
        [("NotFound", "no such trail", 1)],
    ),
    Example(
        EXAMPLES,
        """filter tlsDetails.tlsVersion in [ "TLSv1", "TLSv1.1" ]
| stats count(*) as numOutdatedTlsCalls by userIdentity.accountId, recipientAccountId, eventSource, eventName, """
        """awsRegion, tlsDetails.tlsVersion, tlsDetails.cipherSuite, userAgent
| sort eventSource, eventName, awsRegion, tlsDetails.tlsVersion""",
        minutes(*TLS),
        [
            (None, None, "ec2", "Run", "us", "TLSv1.1", None, None, 2),
            (None, None, "s3", "Get", "eu", "TLSv1", None, None, 1),
        ],
    ),
    Example(
        EXAMPLES,
        """fields @timestamp, status, ip, path, httpMethod
| filter status>=400 and status<=499
| sort @timestamp desc
| limit 10""",
        REQUESTS,
        [("2024-05-01 10:01:00.000", "404", "2.2.2.2", "/b", "GET")],
    ),
    Example(
        EXAMPLES,
        """fields @timestamp, status, ip, path, httpMethod, responseLatency
| sort responseLatency desc
| limit 10""",
        REQUESTS[:3],
        [
            ("2024-05-01 10:02:00.000", "200", "1.1.1.1", "/a", "POST", "99"),
            ("2024-05-01 10:01:00.000", "404", "2.2.2.2", "/b", "GET", "20"),
            ("2024-05-01 10:00:00.000", "200", "1.1.1.1", "/a", "GET", "9"),
        ],
    ),
    Example(
        EXAMPLES,
        "stats count(*) as requestCount by path\n| sort requestCount desc\n| limit 10",
        REQUESTS,
        [("/a", 3), ("/b", 1)],
    ),
    Example(
        EXAMPLES,
        """filter status=200
| stats avg(integrationLatency), max(integrationLatency),
min(integrationLatency) by bin(1m)""",
        REQUESTS,
        [("2024-05-01 10:02:00.000", 8, 8, 8), ("2024-05-01 10:00:00.000", 4, 4, 4)],
    ),
    Example(
        EXAMPLES,
        """filter (dstAddr like '10.0.1.1' and srcAddr not like '0.2')
| stats sum(bytes) as bytesTransferred by srcAddr, dstAddr
| sort bytesTransferred desc
| limit 10""",
        FLOWS,
        [("10.0.0.1", "10.0.1.1", 600)],
    ),
    Example(
        EXAMPLES,
        """fields @timestamp, remoteIP, request, status, filename| sort @timestamp desc
| filter filename="/var/www/html/admin"
| limit 20""",
        minutes(
            {"filename": "/var/www/html/admin", "remoteIP": "1.2.3.4", "request": "GET /admin", "status": "200"},
            {"filename": "/var/www/html/admins", "remoteIP": "1.2.3.4"},
        ),
        [("2024-05-01 10:00:00.000", "1.2.3.4", "GET /admin", "200", "/var/www/html/admin")],
    ),
    Example(
        EXAMPLES,
        """fields @timestamp, function, process, message
| filter message like "resuming normal operations"
| sort @timestamp desc
| limit 20""",
        minutes({"message": "resuming normal operations", "process": "httpd"}, {"message": "something else"}),
        [("2024-05-01 10:00:00.000", None, "httpd", "resuming normal operations")],
    ),
    Example(
        EXAMPLES,
        """fields @timestamp, @message
| stats count(*) as numberOfEvents by `detail-type`
| sort numberOfEvents desc""",
        minutes({"detail-type": "start"}, {"detail-type": "stop"}, {"detail-type": "stop"}),
        [("stop", 2), ("start", 1)],
    ),
    Example(
        EXAMPLES,
        """parse @message "user=*, method:*, latency := *" as @user,
    @method, @latency | stats avg(@latency) by @method,
    @user""",
        USERS[:3],
        [("get", "ann", 15), ("get", "bob", 30)],
    ),
    Example(
        "CWL_QuerySyntax",
        r"""parse @message /user=(?<user2>.*?), method:(?<method2>.*?), latency := (?<latency2>\d+)/
    | stats avg(latency2) by method2, user2""",
        USERS,
        [(None, None, None), ("get", "ann", 15), ("get", "bob", 30)],
    ),
    Example(
        EXAMPLES,
        """FIELDS @message
    | PARSE @message "* [*] *" as loggingTime, loggingType, loggingMessage
    | FILTER loggingType IN ["ERROR", "INFO"]
    | DISPLAY loggingMessage, loggingType = "ERROR" as isError""",
        LEVELS,
        [("it works", 0), ("it broke", 1)],
    ),
    Example(
        "CWL_QuerySyntax-Display",
        """fields @message
| parse @message "[*] *" as loggingType, loggingMessage
| filter loggingType = "ERROR"
| display loggingMessage""",
        LEVELS,
        [("it broke",)],
    ),
    Example(
        "CWL_QuerySyntax",
        'parse @message "[*] * The error was: *" as level, config, exception | display level, config, exception',
        minutes(ERROR_LINE),
        [("ERROR", "{foo=2, bar=data}", "DataIntegrityException")],
    ),
    Example(
        "CWL_QuerySyntax",
        r"parse @message /\[(?<level>\S+)\]\s+(?<config>\{.*\})\s+The error was: (?<exception>\S+)/"
        " | display level, config, exception",
        minutes(ERROR_LINE),
        [("ERROR", "{foo=2, bar=data}", "DataIntegrityException")],
    ),
    Example(
        PARSE,
        "parse @message /(?<NetworkInterface>eni-.*?) / | display NetworkInterface, @message",
        minutes("2 eni-0abc 10.0.0.1", "2 nothing"),
        [(None, "2 nothing"), ("eni-0abc", "2 eni-0abc 10.0.0.1")],
    ),
    Example(
        PARSE,
        'parse @logStream "*/*/*/*" as env, service, instance, shard\n| stats count(*) by env, service',
        [line("10:00", "x", stream="prod/api/1/2"), line("10:01", "x", stream="prod/api/2/1")],
        [("prod", "api", 2)],
    ),
    Example(
        PARSE,
        """parse @message "url=*" as url
| parse url "/api/*/users/*" as apiVersion, userId
| display apiVersion, userId""",
        minutes("url=/api/v2/users/42", "url=/health"),
        [(None, None), ("v2", "42")],
    ),
    Example(
        FILTER,
        """fields @timestamp, @message
| filter (range>3000 and accountId=123456789012)
| sort @timestamp desc
| limit 20""",
        minutes({"range": 3000, "accountId": 123456789012}, {"range": 3001, "accountId": 123456789012}, {"range": 9}),
        [("2024-05-01 10:01:00.000", '{"range": 3001, "accountId": 123456789012}')],
    ),
    Example(
        "CWL_QuerySyntax-Where",
        "fields @timestamp, @message\n| where @message like /error/",
        minutes("an error", "no Error"),
        [("2024-05-01 10:00:00.000", "an error")],
    ),
    Example(
        "CWL_QuerySyntax",
        "fields f1, f2 | filter (f1=10 or f3>25)",
        minutes({"f1": 10, "f2": "a"}, {"f3": 26, "f2": "b"}, {"f1": 11, "f3": 25, "f2": "c"}),
        [(None, "b"), ("10", "a")],
    ),
    Example("CWL_QuerySyntax", r"fields statusCode | filter statusCode like /2\d\d/", STATUS_CODES, [("204",)]),
    Example(
        "CWL_QuerySyntax",
        r"fields statusCode | filter statusCode not like /2\d\d/",
        STATUS_CODES,
        [(None,), ("404",), ("400",), ("300",)],
    ),
    Example(
        "CWL_QuerySyntax",
        "fields statusCode\n    | filter statusCode in [300,400,500]",
        STATUS_CODES,
        [("400",), ("300",)],
    ),
    Example(
        "CWL_QuerySyntax",
        'fields Type\n    | filter Type not in ["foo","bar",1]',
        TYPES,
        [(None,), ("baz",)],
    ),
    Example(FILTER, 'fields f1 | filter f1 like "Exception"', F1, [("an Exception here",)]),
    Example(FILTER, "fields f1 | filter f1 like /Exception/", F1, [("an Exception here",)]),
    Example(FILTER, "fields f1 | filter f1 =~ /Exception/", F1, [("an Exception here",)]),
    Example(
        FILTER,
        'fields f1 | filter f1 not like "Exception"',
        F1,
        [(None,), ("all is well",), ("an exception there",)],
    ),
    Example(
        FILTER, "fields f1 | filter f1 like /(?i)Exception/", F1, [("an exception there",), ("an Exception here",)]
    ),
    Example(
        STATS,
        """FIELDS strlen(@message) AS message_length
| STATS sum(message_length)/1024/1024 as logs_mb BY bin(5m)
| STATS max(logs_mb) AS peak_ingest_mb,
        min(logs_mb) AS min_ingest_mb,
        avg(logs_mb) AS avg_ingest_mb""",
        SIZES,
        [(40 / MB, 8 / MB, 20 / MB)],
    ),
    Example(
        STATS,
        """STATS count_distinct(client_ip) AS session_ips,
      count(*) AS requests BY session_id, client_platform
| FILTER session_ips > 1
| STATS count(*) AS multiple_ip_sessions,
        sum(requests) / count(*) AS avg_session_requests BY client_platform""",
        minutes(
            {"client_ip": "1", "session_id": "s1", "client_platform": "web"},
            {"client_ip": "2", "session_id": "s1", "client_platform": "web"},
            {"client_ip": "1", "session_id": "s2", "client_platform": "web"},
            {"client_ip": "3", "session_id": "s3", "client_platform": "web"},
            {"client_ip": "4", "session_id": "s3", "client_platform": "web"},
            {"client_ip": "4", "session_id": "s3", "client_platform": "web"},
            {"client_ip": "5", "session_id": "s4", "client_platform": "game"},
        ),
        [("web", 2, 2.5)],
    ),
    Example(
        STATS,
        """FIELDS strlen(@message) AS message_length
| STATS sum(message_length) / 1024 / 1024 AS logs_mb BY BIN(5m) as @t
| STATS max(logs_mb) AS peak_ingest_mb,
        min(logs_mb) AS min_ingest_mb,
        avg(logs_mb) AS avg_ingest_mb BY dateceil(@t, 10m)""",
        SIZES,
        [
            ("2024-05-01 10:10:00.000", 40 / MB, 12 / MB, 26 / MB),
            ("2024-05-01 10:00:00.000", 8 / MB, 8 / MB, 8 / MB),
        ],
    ),
    Example(
        STATS,
        """FIELDS strlen(@message) AS message_length
 | STATS sum(message_length) AS ingested_bytes, max(@timestamp) as @t BY @logStream
 | STATS avg(ingested_bytes) BY dateceil(@t, 5m)""",
        [line("10:01", "abc", stream="a"), line("10:02", "abc", stream="a"), line("10:03", "abcd", stream="b")],
        [("2024-05-01 10:05:00.000", 5)],
    ),
    Example(
        STATS, "STATS sum(x) as sum_x by y, z\n| STATS max(sum_x) as max_x by z",
        minutes({"x": 1, "y": 1, "z": 1}, {"x": 5, "y": 1, "z": 1}, {"x": 3, "y": 2, "z": 1}, {"x": 2, "y": 1, "z": 2}),
        [("1", 6), ("2", 2)],
    ),
    Example(
        "CWL_QuerySyntax-alias",
        "stats count(*) by duration as time \n| sort time desc",
        minutes({"duration": 9}, {"duration": 10}, {"duration": 9}),
        [("10", 1), ("9", 2)],
    ),
    Example(
        "CWL_QuerySyntax-alias",
        """fields @timestamp, @message, accountId
# | filter accountId not like "7983124201998"
| sort @timestamp desc
| limit 20""",
        minutes({"accountId": "7983124201998"}),
        [("2024-05-01 10:00:00.000", '{"accountId": "7983124201998"}', "7983124201998")],
    ),
    Example("CWL_QuerySyntax", "fields `foo-bar`, action, abs(f3-f4)", minutes({"foo-bar": "x", "f3": 1, "f4": 3.5}),
            [("x", None, 2.5)]),
    Example(
        "CWL_QuerySyntax",
        "fields concat(Operation, '-', StatusCode) as opStatus",
        minutes({"Operation": "Get", "StatusCode": 200}),
        [("Get-200",)],
    ),
    Example(
        "CWL_AnalyzeLogData-discoverable-fields",
        "fields userIdentity.type, requestParameters.instancesSet.items.0.instanceId, @@example.com",
        minutes(
            {
                "userIdentity": {"type": "IAMUser"},
                "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-abcde123"}]}},
                "@example.com": "at",
            }
        ),
        [("IAMUser", "i-abcde123", "at")],
    ),
    Example(
        "CWL_QuerySyntax-Sort",
        "fields v | sort v asc",
        minutes(
            *({"v": value} for value in ("3", "a12345hfh", "01", "@", "111A", "0#", "*%04", "A", "2", "5A")),
            *({"v": value} for value in ("!:", "A9876fghj", "2345_", "#", "@_", "1", "0")),
        ),
        [(value,) for value in NATURAL_ORDER],
    ),
    Example(FUNCTIONS, "fields 2 ^ 3 as power, 10 % 3 as rest", minutes("x"), [(8, 1)]),
    Example(
        FUNCTIONS,
        """fields ltrim("xyZxyfooxyZ","xyZ") as l, rtrim("xyZfooxyxyZ","xyZ") as r, trim("xyZxyfooxyxyZ","xyZ") as t,
            substr("xyZfooxyZ",3, 3) as s, replace(logGroup,"smoke_test","Smoke") as p, strcontains("foo", "oo") as c,
            strcontains("foo", "OO") as d, strcontains("foo", "OO", true) as e""",
        minutes({"logGroup": "a_smoke_test"}),
        [("fooxyZ", "xyZfoo", "foo", "foo", "a_Smoke", 1, 0, 1)],
    ),
    Example(
        FUNCTIONS,
        "fields datefloor(@timestamp, 1h) as bottom, dateceil(@timestamp, 1h) as top, fromMillis(1642195111000) as t,"
        " toMillis(t) as m",
        [line("10:20", "x"), line("11:00", "y")],
        [
            ("2024-05-01 11:00:00.000", "2024-05-01 11:00:00.000", "2022-01-14 21:18:31.000", 1642195111000),
            ("2024-05-01 10:00:00.000", "2024-05-01 11:00:00.000", "2022-01-14 21:18:31.000", 1642195111000),
        ],
    ),
    Example(
        FUNCTIONS,
        """fields isempty(a) as e, isblank(a) as w, ispresent(a) as p, coalesce(a, b) as c, strlen(c) as n,
            greatest(x, 3, y) as g, least(x, 3) as l, ceil(2.1) as u, floor(2.9) as d, sqrt(16) as r""",
        minutes({"a": " ", "x": 5, "y": 4}, {"b": "ä", "x": 1}),
        [(1, 1, 0, "ä", 1, 3, 1, 3, 2, 4), (0, 1, 1, " ", 1, 5, 3, 3, 2, 4)],
    ),
]  # fmt: skip


@pytest.mark.parametrize("example", RUNNING, ids=lambda example: " ".join(example.query.split())[:70])
def test_an_example_gives_the_rows_that_the_documentation_describes(example: Example) -> None:
    assert rows(example.query, example.lines) == example.rows


# Valid for CloudWatch, and refused here rather than answered differently.
ELSEWHERE = [
    'filter isIpv4InSubnet(srcAddr, "192.0.2.0/24")\n    | stats sum(bytes) as bytesTransferred by dstAddr',
    'fields @timestamp, @requestId, @message, @logStream | filter @type = "REPORT" and @duration > 1000',
    "fields @message | limit any 1",
    "fields jsonParse(@message) as json_message\n| stats count() by json_message.status_code",
    'fields parseDate(field, "yyyy-MM-dd", "UTC") as epoch',
    "fields @timestamp, @message | pattern @message",
    "fields method, status | countFrequent method, status",
    "filterIndex requestId = 1",
    "stats stddev(bytes)",
    "stats count(*) by bin(1w)",
    "stats count(*) by bin(300s)",
    "parse @message logfmt",
]


@pytest.mark.parametrize("query", ELSEWHERE)
def test_what_only_cloudwatch_knows_is_refused_as_such(query: str) -> None:
    with pytest.raises(NotInSubsetError):
        parse(query)


# Wrong by the documentation's own words.
WRONG = [
    ("FIELDS @message\n| STATS SUM(Fault) by Operation\n| STATS MAX(strlen(@message)) AS MaxMessageSize", 3, 20),
    ("FIELDS strlen(@message) AS n\n | STATS sum(n) AS s BY @logStream\n | STATS avg(s) BY bin(5m)", 3, 20),
    ("stats count(*) by a | sort a | stats count(*)", 1, 23),
    ("stats count(*) by a | stats count(*) by a | stats count(*)", 1, 45),
    ("fields a | dedup a | sort a", 1, 22),
]


@pytest.mark.parametrize(("query", "number", "column"), WRONG)
def test_what_the_documentation_calls_wrong_is_an_error(query: str, number: int, column: int) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert not isinstance(caught.value, NotInSubsetError)
    assert (caught.value.line, caught.value.column) == (number, column)
