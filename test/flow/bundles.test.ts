import { mkdtempSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bundle } from '../../stack/bundle/bundle.ts';
import { functionNames } from '../support/functions.ts';
import { sampled } from '../support/size.ts';
import {
  associations,
  callsOfHandlers,
  changes,
  enrolments,
  nameOf,
  type Played,
  playEveryWay,
  registrations,
} from '../support/world.ts';

// What is deployed is the bundle: other modules of the SDK in it, and parts of it left out (stack/bundle/plugins.ts).
const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-bundles-')));
// Nothing is compiled in: the local world tells them, as it tells the sources.
const bundles = await bundle(root, functionNames, {}, folder);
const load = (source: string) => {
  const name = basename(source, '.ts');
  return import(pathToFileURL(join(folder, name, 'index.mjs')).href);
};

function told(world: Played) {
  return {
    calls: callsOfHandlers(world).map(nameOf).sort(),
    changes: changes(world).sort(),
    enrolments: enrolments(world).map(({ outcome, cause }) => ({ outcome, cause })),
    associations: associations(world),
    registrations: registrations(world),
  };
}

describe('the bundles', () => {
  it('do what their sources do', async () => {
    expect(told(await playEveryWay([], { load }))).toEqual(told(await playEveryWay()));
  });

  it('look for credentials in the environment alone', () => {
    const files = bundles.flatMap(({ inputs }) => Object.keys(inputs));
    expect(files).toContain('services/environment-credentials.ts');
    expect(files.filter((file) => /credential-provider|token-providers/.test(file))).toEqual([]);
  });

  // Bundles are without the classes of most errors: they know them by the name that the service says.
  const REFUSALS = [
    ['autoscaling', 'CompleteLifecycleAction', 'ValidationError'],
    ['dynamodb', 'UpdateItem', 'ConditionalCheckFailedException'],
    ['opsworks-cm', 'AssociateNode', 'InvalidStateException'],
    ['ssm', 'SendCommand', 'InvalidInstanceId'],
    ['dynamodb', 'GetItem', 'ProvisionedThroughputExceededException'],
    ['ec2', 'DescribeInstances', 'InvalidInstanceID.NotFound'],
    ['events', 'PutEvents', 'InternalException'],
    ['lightsail', 'UpdateInstanceMetadataOptions', 'OperationFailureException'],
    ['opsworks', 'RegisterInstance', 'ValidationException'],
    ['ssm', 'SendCommand', 'ThrottlingException'],
    ['states', 'StartExecution', 'ExecutionAlreadyExists'],
  ];
  it.each(sampled(REFUSALS, 2))(
    'understand what %s.%s refuses as %s',
    async (service = '', operation = '', error = '') => {
      const faults = [{ service, operation, error, times: 4 }];
      const bundled = await playEveryWay(faults, { load });
      expect(bundled.faults.list(), 'as if no refusal had come').not.toMatchObject(faults);
      expect(told(bundled)).toEqual(told(await playEveryWay(faults)));
    },
  );
});
