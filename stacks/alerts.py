"""The alert topic: where alarms and launch failures go, and the e-mail address that hears of them."""

from typing import Any, Final

from awacs import sns as sns_actions
from awacs.aws import Allow, Condition, PolicyDocument, Principal, Statement, StringEquals
from troposphere import AccountId, Equals, Not, Ref, Sub, Template, sns

from stacks import constants as c
from stacks import policies
from stacks.template import add, export, project_tags

HAS_ALERT_EMAIL: Final = "HasAlertEmail"


def add_alerts(template: Template, email: Ref) -> None:
    """Add the topic, who may publish to it, and the subscription of `email` if it is not empty."""
    template.add_condition(HAS_ALERT_EMAIL, Not(Equals(email, "")))
    topic = sns.Topic("AlertTopic", TopicName=Sub(c.ALERT_TOPIC_NAME), Tags=project_tags())
    policy = sns.TopicPolicy("AlertTopicPolicy", Topics=[Ref(topic)], PolicyDocument=_publishers(topic))
    subscription = sns.SubscriptionResource(
        "AlertSubscription", Condition=HAS_ALERT_EMAIL, TopicArn=Ref(topic), Protocol="email", Endpoint=email
    )
    arn = export("AlertTopicArn", "ARN of the topic that alerts go to.", Ref(topic), c.EXPORT_ALERT_TOPIC_ARN)
    add(template, topic, policy, subscription, arn)


def _publishers(topic: sns.Topic) -> PolicyDocument:
    def may_publish(sid: str, service: str, **condition: Any) -> Statement:
        return Statement(
            Sid=sid,
            Effect=Allow,
            Principal=Principal("Service", f"{service}.amazonaws.com"),
            Action=[sns_actions.Publish],
            Resource=[Ref(topic)],
            **condition,
        )

    own_account = Condition(StringEquals({"aws:SourceAccount": AccountId}))
    return policies.document(
        may_publish("Alarms", "cloudwatch", Condition=own_account),
        # EventBridge documents no condition for topics, and a rule can only name a topic of its own account's choice.
        may_publish("Rules", "events"),
    )
