/** The operations of the service models, typed: names from the models, input and output from the SDK. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import type { CloudWatch } from '@aws-sdk/client-cloudwatch';
import type { EC2 } from '@aws-sdk/client-ec2';
import type { EventBridge } from '@aws-sdk/client-eventbridge';
import type { Lightsail } from '@aws-sdk/client-lightsail';
import type { OpsWorks } from '@aws-sdk/client-opsworks';
import type { OpsWorksCM } from '@aws-sdk/client-opsworkscm';
import type { SecretsManager } from '@aws-sdk/client-secrets-manager';
import type { SFN } from '@aws-sdk/client-sfn';
import type { SSM } from '@aws-sdk/client-ssm';
import { OPERATIONS } from './models/operations.ts';

/** The services that have a model. */
export type ServiceName = keyof typeof OPERATIONS;
export const SERVICES = Object.keys(OPERATIONS) as ServiceName[];

export type OperationName<Name extends ServiceName> = (typeof OPERATIONS)[Name][number];

interface Clients {
  opsworks: OpsWorks;
  'opsworks-cm': OpsWorksCM;
  lightsail: Lightsail;
  ec2: EC2;
  autoscaling: AutoScaling;
  ssm: SSM;
  states: SFN;
  secretsmanager: SecretsManager;
  cloudwatch: CloudWatch;
  events: EventBridge;
}

/** The SDK's method for an operation: `describeInstances` for DescribeInstances. */
type Method<Name extends ServiceName, Operation extends string> =
  Uncapitalize<Operation> extends keyof Clients[Name] ? Clients[Name][Uncapitalize<Operation>] : never;

export type ModelledInput<Name extends ServiceName, Operation extends OperationName<Name>> =
  Method<Name, Operation> extends (input: infer Input, options: never, callback: never) => void ? Input : never;

export type ModelledOutput<Name extends ServiceName, Operation extends OperationName<Name>> =
  Method<Name, Operation> extends {
    (input: never, options?: never): Promise<infer Output>;
    (input: never, callback: never): void;
    (input: never, options: never, callback: never): void;
  }
    ? Omit<Output, '$metadata'>
    : never;
