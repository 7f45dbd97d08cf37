"""Where IAM gets more than a named resource: each case with its reason. Everything else is refused."""

from typing import Final

# Actions for which AWS offers no narrower resource than `*`.
STAR_RESOURCE_REASONS: Final = {
    "ecr:GetAuthorizationToken": "A registry login belongs to the account; moving layers names the repository.",
    "ecs:DiscoverPollEndpoint": "The agent asks where to connect before it belongs to any cluster.",
}

# Policies that AWS keeps, and that are wider than ours would be.
MANAGED_POLICY_REASONS: Final = {
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs": "API Gateway takes one role for all access logs of a region, "
    "and checks it against what this policy holds.",
}
