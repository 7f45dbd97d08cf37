"""The CloudFormation stacks, one module each, in troposphere and awacs: the source of templates/."""
