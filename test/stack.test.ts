// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a definition
import { cpSync, globSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { faultsOfStateMachines } from '../stack/definition/definition.ts';
import { readWritten, type Written } from '../stack/template/source.ts';
import { faultsOfStack } from '../stack/template/template.ts';
import { functionNames } from './support/functions.ts';
import { type Packaged, packageStack, root } from './support/packaged.ts';

let packaged: Packaged;
let written: Written;
beforeAll(async () => {
  packaged = await packageStack();
  written = readWritten(packaged.root);
});

type Break = (resources: Packaged['template']['Resources'], template: Packaged['template']) => void;

/** The faults of a copy that is broken in one place. */
function faultsOf(change: Break): Promise<string[]> {
  const copy = structuredClone(packaged.template);
  change(copy.Resources, copy);
  return faultsOfStack(copy, packaged.root, { written });
}

describe('the packaged stack', () => {
  it('has no fault', async () => {
    expect(await faultsOfStack(packaged.template, packaged.root)).toEqual([]);
  });

  it.each<[string, RegExp, Break]>([
    [
      'is of an unknown type',
      /^resources\/ledger\.yml:\d+: Ledger is of the type AWS::DynamoDB::Tabel, .*: correct it\.$/,
      ({ Ledger }) => {
        Ledger.Type = 'AWS::DynamoDB::Tabel';
      },
    ],
    [
      'has an unknown property',
      /^resources\/events\.yml:\d+: LostEvents has MessageRetention in Properties, .*: remove or correct it\.$/,
      ({ LostEvents }) => {
        LostEvents.Properties.MessageRetention = 60;
      },
    ],
    [
      'has an unknown property deep inside',
      /^resources\/ledger\.yml:\d+: Ledger has Enable in Properties\.TimeToLiveSpecification, .*\.$/,
      ({ Ledger }) => {
        Ledger.Properties.TimeToLiveSpecification = { AttributeName: 'expiresAt', Enabled: true, Enable: true };
      },
    ],
    [
      'lacks a property that must be there',
      /^resources\/queries\.yml:\d+: WhatFailsQuery lacks QueryString in Properties: CloudFormation asks for it\.$/,
      ({ WhatFailsQuery }) => {
        delete WhatFailsQuery.Properties.QueryString;
      },
    ],
    [
      'has a value that CloudFormation does not take',
      /^resources\/alarms\.yml:\d+: DeadLetterAlarm has "often" in Properties\.Period: CloudFormation takes a number\.$/,
      ({ DeadLetterAlarm }) => {
        DeadLetterAlarm.Properties.Period = 'often';
      },
    ],
    [
      'says null in a pattern, which EventBridge would take and CloudFormation does not',
      /^resources\/alerts\.yml:\d+: ExecutionFailedRule says null in Properties\.EventPattern\.detail\.\$or\.1\.error\.2, .*\.$/,
      ({ ExecutionFailedRule }) => {
        ExecutionFailedRule.Properties.EventPattern.detail.$or[1].error.push(null);
      },
    ],
    [
      'refers to what is not there',
      /^resources\/alerts\.yml:\d+: AlertsByEmail refers to Alert, which is not there: correct the name, .*\.$/,
      ({ AlertsByEmail }) => {
        AlertsByEmail.Properties.TopicArn = { Ref: 'Alert' };
      },
    ],
    [
      'asks for an attribute that there is not',
      /^resources\/alarms\.yml:\d+: DeadLetterAlarm asks for LostEvents\.Name, which there is not: .* QueueName.*\.$/,
      ({ DeadLetterAlarm }) => {
        DeadLetterAlarm.Properties.Dimensions = [
          { Name: 'QueueName', Value: { 'Fn::GetAtt': ['LostEvents', 'Name'] } },
        ];
      },
    ],
    [
      'goes in a circle',
      /^resources\/events\.yml:\d+: LostEvents -> LostEventsPolicy -> LostEvents is a circle: write .* out\.$/,
      ({ LostEvents }) => {
        LostEvents.DependsOn = 'LostEventsPolicy';
      },
    ],
    [
      'depends on a condition that is not there',
      /^resources\/alerts\.yml:\d+: AlertsByEmail depends on the condition HasAlertEmail, which is not there: .*\.$/,
      (_, template) => {
        delete template.Conditions.HasAlertEmail;
      },
    ],
    [
      'has a target without dead-letter queue',
      /^resources\/events\.yml:\d+: LaunchSuccessfulRule keeps nothing that its target start-enrolment does not take: .*\.$/,
      ({ LaunchSuccessfulRule }) => {
        delete LaunchSuccessfulRule.Properties.Targets[0].DeadLetterConfig;
      },
    ],
    [
      'has a target without an end to its retries',
      /^resources\/alerts\.yml:\d+: ExecutionFailedRule does not say how long its target alerts is tried: .*\.$/,
      ({ ExecutionFailedRule }) => {
        delete ExecutionFailedRule.Properties.Targets[0].RetryPolicy;
      },
    ],
    [
      'has a queue that no rule may send to',
      /^resources\/events\.yml:\d+: The rule LaunchLifecycleActionRule may not reach LostEvents: give .* sqs:SendMessage\.$/,
      ({ LostEventsPolicy }) => {
        LostEventsPolicy.Properties.PolicyDocument.Statement[0].Condition.ArnEquals['aws:SourceArn'] = 'arn:aws:sqs:*';
      },
    ],
    [
      'lets the rules of another stage send to its queue',
      /^resources\/events\.yml:\d+: LostEventsPolicy names arn:aws:events:\S+:rule\/muster-dev-\*, which matches \S+:rule\/muster-dev-x-\S+ of a stage dev-x too: name each resource in full\.$/,
      ({ LostEventsPolicy }) => {
        LostEventsPolicy.Properties.PolicyDocument.Statement[0].Condition.ArnEquals['aws:SourceArn'] =
          'arn:aws:events:eu-west-1:123456789012:rule/muster-dev-*';
      },
    ],
    [
      'lets the rules of another stage invoke its function',
      /^resources\/functions\.yml:\d+: LaunchSuccessfulPermission names \S+:rule\/muster-dev-\*, which matches .*\.$/,
      ({ LaunchSuccessfulPermission }) => {
        LaunchSuccessfulPermission.Properties.SourceArn = {
          'Fn::Sub': 'arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/muster-dev-*',
        };
      },
    ],
    [
      'has a role that reaches the executions of another stage',
      /^resources\/functions\.yml:\d+: FindEnrolmentRole names \S+:execution:muster-dev-\*, which matches \S+:execution:muster-dev-x-\S+ .*\.$/,
      ({ FindEnrolmentRole }) => {
        FindEnrolmentRole.Properties.Policies[0].PolicyDocument.Statement[5].Resource = {
          'Fn::Sub': 'arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:muster-dev-*',
        };
      },
    ],
    [
      'has a rule that matches the executions of another stage',
      /^resources\/alerts\.yml:\d+: ExecutionFailedRule names \S+:execution:muster-dev\*, which matches .*\.$/,
      ({ ExecutionFailedRule }) => {
        ExecutionFailedRule.Properties.EventPattern.detail.executionArn = [
          { prefix: 'arn:aws:states:eu-west-1:123456789012:execution:muster-dev' },
        ];
      },
    ],
    [
      'mails an event that anyone in the account could have sent',
      /^resources\/alerts\.yml:\d+: ExecutionFailedRule takes events\/samples\/outcomes\/fleet-sweep-alert\.json, which is for no target: narrow its pattern\.$/,
      ({ ExecutionFailedRule }) => {
        ExecutionFailedRule.Properties.EventPattern = {
          account: [{ Ref: 'AWS::AccountId' }],
          source: ['muster'],
          'detail-type': ['Fleet Sweep Alert'],
        };
      },
    ],
    [
      'has a topic that no rule may publish to',
      /^resources\/alerts\.yml:\d+: The rule ExecutionFailedRule may not reach Alerts: give .* sns:Publish\.$/,
      ({ AlertsPolicy }) => {
        AlertsPolicy.Properties.PolicyDocument.Statement.pop();
      },
    ],
    [
      'has a topic that no alarm may publish to',
      /^resources\/alarms\.yml:\d+: The alarm PolicyRelaxedAlarm may not reach Alerts: .*cloudwatch.* sns:Publish\.$/,
      ({ AlertsPolicy }) => {
        AlertsPolicy.Properties.PolicyDocument.Statement.shift();
      },
    ],
    [
      'has a function that its rule may not invoke',
      /^resources\/events\.yml:\d+: The rule LightsailDeletionRule may not reach StartRetirementLambdaFunction: .*\.$/,
      (resources) => {
        delete resources.LightsailDeletionPermission;
      },
    ],
    [
      'has a state machine that may not run its function',
      /^resources\/state-machines\.yml:\d+: The state machine RetireNodeStateMachine may not lambda:InvokeFunction on \w+: .*\.$/,
      ({ RetireNodeRole }) => {
        RetireNodeRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource.pop();
      },
    ],
    [
      'has a function that is traced and may not say so',
      /^resources\/functions\.yml:\d+: FinishLaunchLambdaFunction is traced, .* xray:PutTraceSegments: allow it in FinishLaunchRole\.$/,
      ({ FinishLaunchRole }) => {
        FinishLaunchRole.Properties.Policies[0].PolicyDocument.Statement.splice(1, 1);
      },
    ],
    [
      'has a function that may not write its log',
      /^resources\/functions\.yml:\d+: FinishLaunchLambdaFunction has a log, .* logs:PutLogEvents: allow it in FinishLaunchRole\.$/,
      ({ FinishLaunchRole }) => {
        FinishLaunchRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource = {
          'Fn::GetAtt': ['KeepWaitingLogGroup', 'Arn'],
        };
      },
    ],
    [
      'has a rule that takes too much',
      /^resources\/events\.yml:\d+: LightsailCreationRule takes events\/samples\/lightsail-create-instances-denied\.json, .*: narrow its pattern\.$/,
      ({ LightsailCreationRule }) => {
        delete LightsailCreationRule.Properties.EventPattern.detail.errorCode;
      },
    ],
    [
      'has a rule that takes nothing',
      /^resources\/events\.yml:\d+: TerminateSuccessfulRule matches no event of events\/samples\/: correct .*\.$/,
      ({ TerminateSuccessfulRule }) => {
        TerminateSuccessfulRule.Properties.EventPattern.source = ['aws.autoscalling'];
      },
    ],
    [
      'has a pattern that EventBridge refuses',
      /^resources\/alerts\.yml:\d+: ExecutionFailedRule has a pattern that EventBridge refuses: .*\.$/,
      ({ ExecutionFailedRule }) => {
        ExecutionFailedRule.Properties.EventPattern.detail.status = [{ 'not-this': ['SUCCEEDED'] }];
      },
    ],
    [
      'has an alarm that does not say what to do',
      /^resources\/alarms\.yml:\d+: LongWaitAlarm does not say what to do: describe it .*\.$/,
      ({ LongWaitAlarm }) => {
        LongWaitAlarm.Properties.AlarmDescription = 'Too long';
      },
    ],
    [
      'has an alarm that reads a metric that no function emits',
      /^resources\/alarms\.yml:\d+: FailureRateAlarm reads the metric EnrolmentsFaild of Muster, which no function emits: .*\.$/,
      ({ FailureRateAlarm }) => {
        FailureRateAlarm.Properties.Metrics[1].MetricStat.Metric.MetricName = 'EnrolmentsFaild';
      },
    ],
    [
      'has an alarm that looks at another stage',
      /^resources\/alarms\.yml:\d+: LongWaitAlarm reads SecondsWaiting of the stage prod, and the functions tell it of dev: write \$\{sls:stage\} there\.$/,
      ({ LongWaitAlarm }) => {
        LongWaitAlarm.Properties.Dimensions[1].Value = 'prod';
      },
    ],
    [
      'has an alarm of which one part looks at another stage',
      /^resources\/alarms\.yml:\d+: FailureRateAlarm reads EnrolmentsSucceeded of the stage \*, and the functions .*\.$/,
      ({ FailureRateAlarm }) => {
        FailureRateAlarm.Properties.Metrics[2].MetricStat.Metric.Dimensions[1].Value = '*';
      },
    ],
    [
      'has an alarm that looks at no stage',
      /^resources\/alarms\.yml:\d+: LongWaitAlarm reads SecondsWaiting of no stage, and the functions .*\.$/,
      ({ LongWaitAlarm }) => {
        LongWaitAlarm.Properties.Dimensions.pop();
      },
    ],
    ...[
      ['looks at another stage', '"EnrolmentsHeld", "service", "muster", "stage", "dev"', 'dev', 'prod'],
      ['searches in another stage', 'MetricName=\\"Throttles\\" stage=\\"dev\\"', 'dev', 'prod'],
      ['repeats a metric for another stage', '{"stat": "p50", "label": "half of them"}],', '],', '], ["...", "prod"],'],
      [
        'repeats another field',
        '["Muster", "RetirementsFailed", "service", "muster", "stage", "dev"',
        /.*/,
        '[".", "RetirementsFailed", ".", ".", ".", "prod"',
      ],
    ].map(([what = '', part = '', from = '', to = '']): [string, RegExp, Break] => [
      `has a dashboard that ${what}`,
      /^resources\/dashboard\.yml:\d+: Dashboard reads \w+ of the stage prod, and the functions tell it of dev: .*\.$/,
      ({ Dashboard: { Properties } }) => {
        const body: string = Properties.DashboardBody['Fn::Sub'];
        expect(body).toContain(part);
        Properties.DashboardBody['Fn::Sub'] = body.replace(String(part), String(part).replace(from, String(to)));
      },
    ]),
    [
      'has a dashboard that searches in every stage',
      /^resources\/dashboard\.yml:\d+: Dashboard reads Retries of no stage, and the functions .*\.$/,
      ({ Dashboard: { Properties } }) => {
        Properties.DashboardBody['Fn::Sub'] = Properties.DashboardBody['Fn::Sub'].replace(
          'MetricName=\\"Retries\\" stage=\\"dev\\"',
          'MetricName=\\"Retries\\"',
        );
      },
    ],
    [
      'has a role that IAM would not take for its size',
      /^resources\/functions\.yml:\d+: EnforceImdsV2Role has policies of \d+ characters, and IAM takes 10240: let the profiles name fewer .*\.$/,
      ({ EnforceImdsV2Role }) => {
        const groups = Array.from({ length: 400 }, (_, index) => `a-group-of-some-name-${index}`);
        const [policy] = EnforceImdsV2Role.Properties.Policies.slice(-1);
        policy.PolicyDocument.Statement[0].Condition = {
          StringLike: { 'aws:ResourceTag/aws:autoscaling:groupName': groups },
        };
      },
    ],
    [
      'has a dashboard that is no JSON',
      /^resources\/dashboard\.yml:\d+: Dashboard has a DashboardBody that is no JSON: correct it\.$/,
      ({ Dashboard }) => {
        Dashboard.Properties.DashboardBody['Fn::Sub'] += ',';
      },
    ],
    [
      'gives a function up before it ends by itself',
      /^statemachines\/enrol-node\.asl\.yml:\d+: State AssociateNode has a TimeoutSeconds of 45, .* AssociateNodeLambdaFunction runs for 45 seconds: .*\.$/,
      ({ AssociateNodeLambdaFunction }) => {
        AssociateNodeLambdaFunction.Properties.Timeout = 45;
      },
    ],
    [
      'has a state whose function it is not given',
      /^statemachines\/retire-node\.asl\.yml:\d+: State ForgetNode runs \$\{ForgetNodeFunctionArn\}, .*\.$/,
      ({ RetireNodeStateMachine }) => {
        delete RetireNodeStateMachine.Properties.DefinitionSubstitutions.ForgetNodeFunctionArn;
      },
    ],
    [
      'has a schedule whose role EventBridge may not take',
      /^resources\/sweep\.yml:\d+: The rule SweepSchedule cannot take SweepScheduleRole: let .* allow events\.amazonaws\.com .*\.$/,
      ({ SweepScheduleRole }) => {
        SweepScheduleRole.Properties.AssumeRolePolicyDocument.Statement[0].Principal.Service =
          'scheduler.amazonaws.com';
      },
    ],
    [
      'has a schedule whose role is for another account',
      /^resources\/sweep\.yml:\d+: The rule SweepSchedule cannot take SweepScheduleRole: .*\.$/,
      ({ SweepScheduleRole }) => {
        const [statement] = SweepScheduleRole.Properties.AssumeRolePolicyDocument.Statement;
        statement.Condition.StringEquals['aws:SourceAccount'] = '210987654321';
      },
    ],
    [
      'has a schedule whose role starts another state machine',
      /^resources\/sweep\.yml:\d+: The rule SweepSchedule may not states:StartExecution on SweepFleetStateMachine: allow it in SweepScheduleRole\.$/,
      ({ SweepScheduleRole }) => {
        SweepScheduleRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource = {
          Ref: 'EnrolNodeStateMachine',
        };
      },
    ],
    [
      'has a schedule whose role does something else',
      /^resources\/sweep\.yml:\d+: The rule SweepSchedule may not states:StartExecution on SweepFleetStateMachine: .*\.$/,
      ({ SweepScheduleRole }) => {
        SweepScheduleRole.Properties.Policies[0].PolicyDocument.Statement[0].Action = 'states:StartSyncExecution';
      },
    ],
    [
      'has a schedule whose role is of another stack',
      /^resources\/sweep\.yml:\d+: The rule SweepSchedule takes a role that is not in the template: .*\.$/,
      ({ SweepSchedule }) => {
        SweepSchedule.Properties.Targets[0].RoleArn = 'arn:aws:iam::123456789012:role/admin';
      },
    ],
    [
      'has a schedule whose role starts every state machine',
      /^resources\/sweep\.yml:\d+: SweepScheduleRole allows states:StartExecution on arn:aws:states:\*:\*:stateMachine:\*, .*\.$/,
      ({ SweepScheduleRole }) => {
        SweepScheduleRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource =
          'arn:aws:states:*:*:stateMachine:*';
      },
    ],
    [
      'has a state machine whose role runs a function of another one',
      /^resources\/state-machines\.yml:\d+: RetireNodeRole allows lambda:InvokeFunction on SweepLambdaFunction, .*\.$/,
      ({ RetireNodeRole }) => {
        RetireNodeRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource.push({
          'Fn::GetAtt': ['SweepLambdaFunction', 'Arn'],
        });
      },
    ],
    [
      'has a state machine whose role runs every function',
      /^resources\/state-machines\.yml:\d+: EnrolNodeRole allows lambda:InvokeFunction on "\*": name the resource, or .*\.$/,
      ({ EnrolNodeRole }) => {
        EnrolNodeRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource = '*';
      },
    ],
    [
      'has a schedule whose role delivers logs',
      /^resources\/sweep\.yml:\d+: SweepScheduleRole allows logs:PutLogEvents on "\*": name the resource, or .*\.$/,
      ({ SweepScheduleRole }) => {
        SweepScheduleRole.Properties.Policies[0].PolicyDocument.Statement.push({
          Effect: 'Allow',
          Action: 'logs:PutLogEvents',
          Resource: '*',
        });
      },
    ],
    [
      'has a state machine whose role has exceptions',
      /^resources\/state-machines\.yml:\d+: EnrolNodeRole has a statement that is not Effect, Action, .*\.$/,
      ({ EnrolNodeRole }) => {
        EnrolNodeRole.Properties.Policies[1].PolicyDocument.Statement.push({
          Effect: 'Allow',
          NotAction: 'iam:*',
          Resource: '*',
        });
      },
    ],
    [
      'has a state machine whose role has policies that nobody sees',
      /^resources\/state-machines\.yml:\d+: EnrolNodeRole has more than policies of its own .*\.$/,
      ({ EnrolNodeRole }) => {
        EnrolNodeRole.Properties.ManagedPolicyArns = ['arn:aws:iam::aws:policy/AdministratorAccess'];
      },
    ],
    [
      'has a state machine that Step Functions cannot run',
      /^resources\/state-machines\.yml:\d+: The state machine EnrolNodeStateMachine cannot take EnrolNodeRole: .*\.$/,
      ({ EnrolNodeRole }) => {
        EnrolNodeRole.Properties.AssumeRolePolicyDocument.Statement[0].Principal.Service = 'lambda.amazonaws.com';
      },
    ],
    [
      'has a function that Lambda cannot run',
      /^resources\/functions\.yml:\d+: The function SweepLambdaFunction cannot take SweepRole: .* lambda\.amazonaws\.com .*\.$/,
      ({ SweepRole }) => {
        SweepRole.Properties.AssumeRolePolicyDocument.Statement[0].Action = 'sts:TagSession';
      },
    ],
    [
      'has a role that somebody else may take',
      /^resources\/functions\.yml:\d+: SweepRole may be taken by arn:aws:iam::123456789012:root, which has no use for it: .*\.$/,
      ({ SweepRole }) => {
        SweepRole.Properties.AssumeRolePolicyDocument.Statement[0].Principal.AWS = 'arn:aws:iam::123456789012:root';
      },
    ],
    ...['SweepScheduleRole', 'EnrolNodeRole', 'RetireNodeRole', 'SweepFleetRole'].flatMap((role) =>
      ['StringEquals', 'ArnEquals'].map((operator): [string, RegExp, Break] => [
        `lets a service assume ${role} without the condition ${operator}`,
        /^resources\/[a-z-]+\.yml:\d+: \w+Role lets (events|states)\.amazonaws\.com act for other accounts: add .*\.$/,
        (resources) => {
          delete resources[role].Properties.AssumeRolePolicyDocument.Statement[0].Condition[operator];
        },
      ]),
    ),
    ...(
      [
        ['AlertsPolicy', 0, 'cloudwatch'],
        ['AlertsPolicy', 1, 'events'],
        ['LostEventsPolicy', 0, 'events'],
      ] as const
    ).map(([policy, index, service]): [string, RegExp, Break] => [
      `has ${policy} let ${service} act for any account`,
      new RegExp(`: ${policy} lets ${service}\\.amazonaws\\.com act for other accounts: add .*\\.$`),
      (resources) => {
        delete resources[policy].Properties.PolicyDocument.Statement[index].Condition.StringEquals;
      },
    ]),
    [
      'lets a service act for a request that names no account',
      /: SweepScheduleRole lets events\.amazonaws\.com act for other accounts: add .*\.$/,
      ({ SweepScheduleRole }) => {
        const [statement] = SweepScheduleRole.Properties.AssumeRolePolicyDocument.Statement;
        statement.Condition.StringEqualsIfExists = statement.Condition.StringEquals;
        delete statement.Condition.StringEquals;
      },
    ],
    [
      'lets the rules of any account invoke its function',
      /^resources\/functions\.yml:\d+: LaunchSuccessfulPermission lets events\.amazonaws\.com act for other accounts: .*\.$/,
      ({ LaunchSuccessfulPermission }) => {
        delete LaunchSuccessfulPermission.Properties.SourceAccount;
      },
    ],
    [
      'has a rule that matches events of other accounts',
      /^resources\/events\.yml:\d+: TerminateSuccessfulRule matches events of other accounts: add account: .*\.$/,
      ({ TerminateSuccessfulRule }) => {
        delete TerminateSuccessfulRule.Properties.EventPattern.account;
      },
    ],
    [
      'has a rule for the events of another account',
      /^resources\/alerts\.yml:\d+: ExecutionFailedRule matches events of other accounts: add account: .*\.$/,
      ({ ExecutionFailedRule }) => {
        ExecutionFailedRule.Properties.EventPattern.account = ['210987654321'];
      },
    ],
    [
      'has a ledger that can be deleted',
      /^resources\/ledger\.yml:\d+: Ledger can be deleted with all its items: set DeletionProtectionEnabled to true\.$/,
      ({ Ledger }) => {
        Ledger.Properties.DeletionProtectionEnabled = false;
      },
    ],
    [
      'has a role that is left over',
      /^resources\/sweep\.yml:\d+: SweepScheduleRole is no function's role: remove it, .*\.$/,
      ({ SweepSchedule }) => {
        SweepSchedule.Properties.Targets = [];
      },
    ],
    [
      'has a state machine that logs its data',
      /^resources\/state-machines\.yml:\d+: EnrolNodeStateMachine logs its data, and a CSR with it: set .*\.$/,
      ({ EnrolNodeStateMachine }) => {
        EnrolNodeStateMachine.Properties.LoggingConfiguration.IncludeExecutionData = true;
      },
    ],
    [
      'has a function whose lines are kept for ever',
      /^resources\/functions\.yml:\d+: AssociateNodeLambdaFunction has no log group \/aws\/lambda\/muster-dev-associate-node: .*\.$/,
      ({ AssociateNodeLogGroup }) => {
        AssociateNodeLogGroup.Properties.LogGroupName = '/aws/lambda/somebody-else';
      },
    ],
  ])('is refused when it %s', async (_what, sentence, change) => {
    const faults = await faultsOf(change);
    expect(faults.filter((fault) => sentence.test(fault))).not.toEqual([]);
  });

  it.each([
    ['alarms', "Value: '${sls:stage}'", "Value: 'dev'", 'FailureRateAlarm reads EnrolmentsFailed'],
    [
      'dashboard',
      '"EnrolmentsHeld", "service", "muster", "stage", "${sls:stage}"',
      '"EnrolmentsHeld", "service", "muster", "stage", "dev"',
      'Dashboard reads EnrolmentsHeld',
    ],
  ])(
    'is refused where resources/%s.yml names its stage, which would be another stage’s in the next',
    async (name, from, to, sentence) => {
      const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-stage-')));
      cpSync(packaged.root, folder, { recursive: true });
      const file = join(folder, `resources/${name}.yml`);
      const text = readFileSync(file, 'utf8');
      expect(text).toContain(from);
      writeFileSync(file, text.replace(from, to));
      const [first = ''] = await faultsOfStack(packaged.template, folder);
      expect(first).toMatch(/^resources\/\w+\.yml:\d+: /);
      expect(first).toContain(
        `${sentence} of the stage dev by its name, which is right in that stage alone: write \${sls:stage} there.`,
      );
    },
  );

  it('is refused in words that name the line of the very part', async () => {
    const [fault = ''] = await faultsOf(({ DeadLetterAlarm }) => {
      DeadLetterAlarm.Properties.Period = 'often';
    });
    const [, file = '', line] = /^([^:]+):(\d+):/.exec(fault) ?? [];
    expect(readFileSync(join(root, file), 'utf8').split('\n')[Number(line) - 1]).toBe('      Period: 60');
  });
});

describe('the samples', () => {
  it('are of every row of events/table.ts', async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-samples-')));
    cpSync(packaged.root, folder, { recursive: true });
    for (const file of globSync('events/samples/ec2-terminate-lifecycle-action*.json', { cwd: folder }))
      rmSync(join(folder, file));
    expect(await faultsOfStack(packaged.template, folder)).toContain(
      'events/table.ts answers aws.autoscaling "EC2 Instance-terminate Lifecycle Action", of which events/samples/ has no event: add a sample.',
    );
  });
});

describe('the state machines', () => {
  /** The faults after `from` has become `to` in enrol-node.asl.yml, and the line where it stands. */
  function faultsAfter(from: string, to: string): { faults: string[]; line: number } {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-asl-')));
    cpSync(join(root, 'statemachines'), join(folder, 'statemachines'), { recursive: true });
    const file = join(folder, 'statemachines/enrol-node.asl.yml');
    const text = readFileSync(file, 'utf8');
    expect(text).toContain(from);
    writeFileSync(file, text.replace(from, to));
    const line = text.slice(0, text.indexOf(from)).split('\n').length;
    return { faults: faultsOfStateMachines(folder, functionNames), line };
  }

  it('have no fault', () => {
    expect(faultsOfStateMachines(root, functionNames)).toEqual([]);
  });

  it.each([
    ['          - Throttled', '          - Throtled', 'names Throtled, which is no known error: write Throttled'],
    [
      'StringEquals: ServerNotReady',
      'StringEquals: ServerNotRedy',
      'names ServerNotRedy, which is no known error: write ServerNotReady',
    ],
    [
      '          - Throttled',
      '          - SomethingOfNoUse',
      'names SomethingOfNoUse, which is no known error: correct it, or add it to lib/errors.ts',
    ],
    [
      '        Next: KeepWaiting',
      '        Next: KeepWaitin',
      'leads to KeepWaitin, which is no state: correct the name',
    ],
    ['        JitterStrategy: FULL', '        JitterStrategy: NONE', 'without JitterStrategy FULL'],
  ])('are refused in one sentence, with the line of the anchor, when "%s" becomes "%s"', (from, to, fault) => {
    const { faults, line } = faultsAfter(from, to);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
    const text = readFileSync(join(root, 'statemachines/enrol-node.asl.yml'), 'utf8');
    const at = Number(/^statemachines\/enrol-node\.asl\.yml:(\d+): /.exec(faults.join())?.[1]);
    // A retrier's fault is reported where the retrier begins.
    const retrier = text.split('\n').findIndex((row) => row.includes('- ErrorEquals: &notYet')) + 1;
    expect(at).toBe(fault.startsWith('without') ? retrier : line);
  });

  it.each([
    ['Next: ResolveProfile', 'Next: ResolvProfile', 'State DescribeInstance leads to ResolvProfile'],
    ['Resource: ${AssociateNodeFunctionArn}', 'Resource: ${FinishLaunchFunctionArn}', 'State AssociateNode runs'],
    ['StringEquals: ServerNotReady', 'StringEquals: ServerNotRedy', 'names ServerNotRedy, which is no known error'],
  ])('are refused with their line when "%s" becomes "%s"', (from, to, fault) => {
    const { faults, line } = faultsAfter(from, to);
    const [first = ''] = faults.filter((sentence) => sentence.includes(fault));
    expect(first).toMatch(/^statemachines\/enrol-node\.asl\.yml:\d+: /);
    const at = Number(/:(\d+):/.exec(first)?.[1]);
    // A comparison is of the Choice that makes it.
    expect(at).toBeLessThanOrEqual(line);
    expect(at).toBeGreaterThan(line - 20);
  });
});
