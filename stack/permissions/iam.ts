/** What IAM calls a client's service: the part before the colon of its actions. */
export const PREFIXES: Readonly<Record<string, string>> = {
  'client-auto-scaling': 'autoscaling',
  'client-cloudwatch': 'cloudwatch',
  'client-dynamodb': 'dynamodb',
  'client-ec2': 'ec2',
  'client-eventbridge': 'events',
  'client-lightsail': 'lightsail',
  'client-opsworks': 'opsworks',
  'client-opsworkscm': 'opsworks-cm',
  'client-secrets-manager': 'secretsmanager',
  'client-sfn': 'states',
  'client-ssm': 'ssm',
};

/** Commands whose action has another name, or several. Every other command's action is called as it is. */
export const OTHER_ACTIONS: Readonly<Record<string, readonly string[]>> = {
  // The client is given it for its discovery of endpoints, which is left out of the bundles: it is never sent.
  'dynamodb:DescribeEndpoints': [],
};

/** What a module of ours sends without a client: no command tells of it. */
export const SENT_BY_HAND: Readonly<Record<string, readonly string[]>> = {
  'services/reports.ts': ['s3:PutObject'],
};

/** What the platform does in a function's name, and no command of its code: any role may have it. */
export const PLATFORM_ACTIONS: Readonly<Record<string, string>> = {
  'logs:CreateLogStream': 'Lambda writes the log',
  'logs:PutLogEvents': 'Lambda writes the log',
  'xray:PutTraceSegments': 'Lambda writes the trace',
  'xray:PutTelemetryRecords': 'Lambda writes the trace',
  'sqs:SendMessage': 'Lambda keeps an event that the function could not take',
  'kms:Decrypt': 'Secrets Manager decrypts a secret for its reader',
  'ec2:AssignPrivateIpAddresses': 'Lambda brings the function into a VPC',
  'ec2:CreateNetworkInterface': 'Lambda brings the function into a VPC',
  'ec2:DeleteNetworkInterface': 'Lambda brings the function into a VPC',
  'ec2:DescribeNetworkInterfaces': 'Lambda brings the function into a VPC',
  'ec2:DescribeSubnets': 'Lambda brings the function into a VPC',
  'ec2:UnassignPrivateIpAddresses': 'Lambda brings the function into a VPC',
};

/** Actions for which a role may say `Resource: "*"`: why there is nothing narrower. Source: Service Authorization Reference. */
export const STARS: Readonly<Record<string, string>> = {
  'autoscaling:DescribeAutoScalingGroups': 'it takes no resource',
  'autoscaling:DescribeAutoScalingInstances': 'it takes no resource',
  'autoscaling:DescribeLifecycleHooks': 'it takes no resource',
  'autoscaling:DescribeWarmPool': 'it takes no resource',
  'cloudwatch:GetMetricData': 'it takes no resource',
  'ec2:DescribeInstances': 'it takes no resource',
  'ec2:DescribeReplaceRootVolumeTasks': 'it takes no resource',
  'ec2:AssignPrivateIpAddresses': 'Lambda makes the interface, and its name is not known before',
  'ec2:CreateNetworkInterface': 'Lambda makes the interface, and its name is not known before',
  'ec2:DeleteNetworkInterface': 'Lambda makes the interface, and its name is not known before',
  'ec2:DescribeNetworkInterfaces': 'it takes no resource',
  'ec2:DescribeSubnets': 'it takes no resource',
  'ec2:UnassignPrivateIpAddresses': 'Lambda makes the interface, and its name is not known before',
  'lightsail:GetInstances': 'it takes no resource',
  'lightsail:GetOperation': 'an operation has no ARN',
  'opsworks-cm:AssociateNode': 'no action of OpsWorks CM takes a resource',
  'opsworks-cm:DescribeNodeAssociationStatus': 'no action of OpsWorks CM takes a resource',
  'opsworks-cm:DescribeServers': 'no action of OpsWorks CM takes a resource',
  'opsworks-cm:DisassociateNode': 'no action of OpsWorks CM takes a resource',
  'ssm:DescribeInstanceInformation': 'it takes no resource',
  'ssm:GetCommandInvocation': 'it takes no resource',
  'xray:PutTelemetryRecords': 'it takes no resource',
  'xray:PutTraceSegments': 'it takes no resource',
};

/**
 * Where an ARN may have a wildcard: in the place of what only the service knows. What is known at build time is written
 * out. Each is matched against `service:resource`, after a reference against its name.
 */
export const WILDCARDS: readonly { readonly arn: RegExp; readonly reason: string; readonly isTagged?: true }[] = [
  { arn: /^states:execution:[^*?:]+:\*$/, reason: 'an execution is named after its event' },
  { arn: /^Reports\.Arn\/reports\/\*$/, reason: 'a report is named by the instant of its sweep' },
  { arn: /^lightsail:Instance\/\*$/, reason: 'an instance is named by an id that Lightsail makes' },
  {
    arn: /^autoscaling:autoScalingGroup:\*:autoScalingGroupName\/.+$/,
    reason: 'Auto Scaling puts an id of its own before the name, and a profile names groups by a pattern',
  },
  { arn: /^ec2:instance\/\*$/, reason: 'instances come and go, and a tag says which are ours', isTagged: true },
  { arn: /^ssm:managed-instance\/\*$/, reason: 'nodes come and go, and a tag says which are ours', isTagged: true },
];

/**
 * Actions on `*` for the roles of state machines: what Step Functions asks for to deliver logs and traces. Source: Step
 * Functions Developer Guide, "Using CloudWatch Logs to log execution history" and "Trace Step Functions request data in AWS X-Ray".
 */
export const DELIVERY_STARS: Readonly<Record<string, string>> = {
  'logs:CreateLogDelivery': 'it takes no resource',
  'logs:CreateLogStream': 'Step Functions asks for it with the deliveries, on all',
  'logs:DeleteLogDelivery': 'it takes no resource',
  'logs:DescribeLogGroups': 'Step Functions asks for it with the deliveries, on all',
  'logs:DescribeResourcePolicies': 'it takes no resource',
  'logs:GetLogDelivery': 'it takes no resource',
  'logs:ListLogDeliveries': 'it takes no resource',
  'logs:PutLogEvents': 'Step Functions asks for it with the deliveries, on all',
  'logs:PutResourcePolicy': 'it takes no resource',
  'logs:UpdateLogDelivery': 'it takes no resource',
  'xray:GetSamplingRules': 'it takes no resource',
  'xray:GetSamplingTargets': 'it takes no resource',
  'xray:PutTelemetryRecords': 'it takes no resource',
  'xray:PutTraceSegments': 'it takes no resource',
};

/**
 * Actions that may only be allowed under a condition: with it a role allows them to its own function alone, whatever else
 * is given the role. Lambda puts this key into every request from a function's environment. Source: Lambda, "Using source
 * function ARN to control function access behavior".
 */
export const CONDITIONAL: Readonly<Record<string, string>> = {
  'autoscaling:CompleteLifecycleAction': 'lambda:SourceFunctionArn',
  'autoscaling:RecordLifecycleActionHeartbeat': 'lambda:SourceFunctionArn',
  'states:StartExecution': 'lambda:SourceFunctionArn',
  'states:StopExecution': 'lambda:SourceFunctionArn',
};
