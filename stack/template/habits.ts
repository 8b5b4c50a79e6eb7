import * as z from 'zod';
import type { Fault } from './source.ts';
import { ACCOUNT_ID, ofType, type Resource, resolved, type Template } from './values.ts';

/** An alarm must say what to do: this is how long a sentence about that is at least. */
const SHORTEST_ADVICE = 60;

/** What is true of everything that we deploy, whatever it is for. */
export function habitFaults(template: Template): Fault[] {
  return [
    ...each(template, 'AWS::Events::Rule', patternFaults),
    ...each(template, 'AWS::Events::Rule', targetFaults),
    ...each(template, 'AWS::Lambda::Function', functionFaults),
    ...each(template, 'AWS::Logs::LogGroup', logFaults),
    ...each(template, 'AWS::StepFunctions::StateMachine', machineFaults),
    ...each(template, 'AWS::CloudWatch::Alarm', alarmFaults),
    ...each(template, 'AWS::DynamoDB::Table', tableFaults),
    ...functionsWithoutLogs(template),
  ];
}

type Look = (
  name: string,
  properties: Resource['Properties'],
  template: Template,
) => { in: (string | number)[]; says: string }[];

function each(template: Template, type: string, look: Look): Fault[] {
  return ofType(template, type).flatMap(([name, { Properties }]) =>
    look(name, Properties, template).map((fault) => ({
      at: ['Resources', name, 'Properties', ...fault.in],
      says: fault.says,
    })),
  );
}

/** A bus that accepts an organization's events brings those to every rule that names no account. */
const patternFaults: Look = (name, { EventPattern }, template) => {
  if (EventPattern === undefined) return [];
  const { account } = Object(resolved(EventPattern, template));
  if (JSON.stringify(account) === JSON.stringify([ACCOUNT_ID])) return [];
  const says = `${name} matches events of other accounts: add account: [{ Ref: AWS::AccountId }] to its EventPattern.`;
  return [{ in: ['EventPattern'], says }];
};

/** EventBridge gives an event up in silence: without a dead-letter queue the launch is lost. */
const targetFaults: Look = (name, { Targets }) => {
  const targets = z.array(z.looseObject({ Id: z.string() })).parse(Targets ?? []);
  return targets.flatMap((target, index) => [
    ...(target.DeadLetterConfig
      ? []
      : [
          {
            in: ['Targets', index],
            says: `${name} keeps nothing that its target ${target.Id} does not take: give it a DeadLetterConfig.`,
          },
        ]),
    ...(target.RetryPolicy
      ? []
      : [
          {
            in: ['Targets', index],
            says: `${name} does not say how long its target ${target.Id} is tried: give it a RetryPolicy.`,
          },
        ]),
  ]);
};

const functionFaults: Look = (name, { Runtime, Architectures, TracingConfig }) => [
  ...(Runtime === 'nodejs24.x' && String(Architectures) === 'arm64'
    ? []
    : [
        { in: ['Runtime'], says: `${name} runs on ${Runtime}, ${Architectures}: the others run on nodejs24.x, arm64.` },
      ]),
  ...(TracingConfig
    ? []
    : [{ in: ['TracingConfig'], says: `${name} is not traced: leave provider.tracing as it is.` }]),
];

const logFaults: Look = (name, { RetentionInDays }) =>
  RetentionInDays
    ? []
    : [{ in: ['RetentionInDays'], says: `${name} keeps its lines for ever: give it RetentionInDays.` }];

const machineFaults: Look = (name, { StateMachineType, LoggingConfiguration, TracingConfiguration }) => {
  const log = z.looseObject({ IncludeExecutionData: z.boolean().default(false) }).safeParse(LoggingConfiguration).data;
  return [
    ...(StateMachineType === 'STANDARD'
      ? []
      : [
          {
            in: ['StateMachineType'],
            says: `${name} is not STANDARD: an EXPRESS one starts twice what is started twice.`,
          },
        ]),
    ...(log ? [] : [{ in: [], says: `${name} has no log: give it a LoggingConfiguration.` }]),
    ...(log?.IncludeExecutionData
      ? [
          {
            in: ['LoggingConfiguration', 'IncludeExecutionData'],
            says: `${name} logs its data, and a CSR with it: set IncludeExecutionData to false.`,
          },
        ]
      : []),
    ...(TracingConfiguration ? [] : [{ in: [], says: `${name} is not traced: give it a TracingConfiguration.` }]),
  ];
};

const alarmFaults: Look = (name, { AlarmDescription, AlarmActions, TreatMissingData }, template) => {
  const description = String(resolved(AlarmDescription, template) ?? '');
  return [
    ...(description.length >= SHORTEST_ADVICE
      ? []
      : [{ in: ['AlarmDescription'], says: `${name} does not say what to do: describe it in a sentence or two.` }]),
    ...(AlarmActions ? [] : [{ in: [], says: `${name} notifies no one: give it AlarmActions.` }]),
    ...(TreatMissingData
      ? []
      : [{ in: [], says: `${name} does not say what silence means: give it TreatMissingData.` }]),
  ];
};

const tableFaults: Look = (
  name,
  { BillingMode, PointInTimeRecoverySpecification, SSESpecification, DeletionProtectionEnabled },
) => [
  ...(BillingMode === 'PAY_PER_REQUEST' && PointInTimeRecoverySpecification && SSESpecification
    ? []
    : [{ in: [], says: `${name} is not on demand, encrypted and recoverable: give it all three.` }]),
  ...(DeletionProtectionEnabled === true
    ? []
    : [{ in: [], says: `${name} can be deleted with all its items: set DeletionProtectionEnabled to true.` }]),
];

/** A function without a log group of ours makes one that keeps its lines for ever. */
function functionsWithoutLogs(template: Template): Fault[] {
  const groups = ofType(template, 'AWS::Logs::LogGroup').map(([, { Properties }]) =>
    resolved(Properties.LogGroupName, template),
  );
  return ofType(template, 'AWS::Lambda::Function').flatMap(([name, { Properties }]) => {
    const group = `/aws/lambda/${resolved(Properties.FunctionName, template)}`;
    const says = `${name} has no log group ${group}: it would make one that keeps its lines for ever.`;
    return groups.includes(group) ? [] : [{ at: ['Resources', name], says }];
  });
}
