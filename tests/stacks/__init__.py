"""Tests of the CloudFormation stacks and of the gates that they pass."""
