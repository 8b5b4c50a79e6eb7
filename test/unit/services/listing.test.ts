import { describe, expect, it } from 'vitest';
import type { Found } from '../../../lib/instance.ts';
import * as ec2 from '../../../services/ec2.ts';
import * as lightsail from '../../../services/lightsail.ts';
import { type Played, playWorld } from '../../support/world.ts';

const { signal } = new AbortController();
const CREATE = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };

async function all(pages: AsyncIterable<Found[]>) {
  const sizes: number[] = [];
  const ids: string[] = [];
  for await (const page of pages) {
    sizes.push(page.length);
    ids.push(...page.map(({ instance }) => instance.instanceId));
  }
  return { sizes, ids };
}

function launch(world: Played, count: number, group = 'web'): string[] {
  const tags = new Map([['aws:autoscaling:groupName', group]]);
  return Array.from({ length: count }, () => world.ec2.launch({ tags }).instanceId);
}

function create(world: Played, count: number): string[] {
  const instanceNames = Array.from({ length: count }, (_, index) => `blog-${index}`);
  void world.lightsail.createInstances({ ...CREATE, instanceNames }, { requestId: '1' });
  return instanceNames;
}

describe('listing EC2 instances', () => {
  it('gives every instance once, page by page, with its metadata options and its state', async () => {
    const world = await playWorld({ ec2: { pageSize: 5 } });
    const ids = launch(world, 12);
    await world.clock.advance(20_000);
    expect(await all(ec2.listInstances([], 'eu-west-1', signal))).toEqual({ sizes: [5, 5, 2], ids });
    for await (const [first] of ec2.listInstances([], 'eu-west-1', signal)) {
      expect(first).toMatchObject({
        state: 'running',
        instance: {
          platform: 'ec2',
          nodeName: first?.instance.instanceId,
          accountId: '123456789012',
          region: 'eu-west-1',
          autoScalingGroupName: 'web',
          metadataOptions: { state: 'applied', httpTokens: 'optional', httpPutResponseHopLimit: 1 },
        },
      });
      break;
    }
  });

  it('has EC2 itself leave out what the filters leave out', async () => {
    const world = await playWorld();
    launch(world, 2, 'database');
    const ids = launch(world, 2, 'web-1');
    const filters = [{ Name: 'tag:aws:autoscaling:groupName', Values: ['web*'] }];
    expect((await all(ec2.listInstances(filters, 'eu-west-1', signal))).ids).toEqual(ids);
  });

  it('lists another Region than its own', async () => {
    const world = await playWorld();
    launch(world, 1);
    const { instanceId } = world.ec2.launch({ region: 'eu-north-1' });
    expect((await all(ec2.listInstances([], 'eu-north-1', signal))).ids).toEqual([instanceId]);
  });

  it('ends with the error of a page, and never as if the list were over', async () => {
    const world = await playWorld({ ec2: { pageSize: 5 } });
    launch(world, 12);
    world.faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'UnauthorizedOperation', skip: 1 }]);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const page of ec2.listInstances([], 'eu-west-1', signal)) seen.push(page.length);
    })();
    await expect(reading).rejects.toMatchObject({ name: 'PermissionDenied' });
    expect(seen).toEqual([5]);
  });
});

describe('listing Lightsail instances', () => {
  it('gives every instance once, page by page, with its metadata options and its state', async () => {
    const world = await playWorld({ lightsail: { pageSize: 2 } });
    const ids = create(world, 5);
    expect(await all(lightsail.listInstances('eu-west-1', signal))).toEqual({ sizes: [2, 2, 1], ids });
    for await (const [first] of lightsail.listInstances('eu-west-1', signal)) {
      expect(first).toMatchObject({
        state: 'pending',
        instance: { platform: 'lightsail', region: 'eu-west-1', metadataOptions: { httpTokens: 'optional' } },
      });
      break;
    }
  });

  it('lists another Region than its own', async () => {
    const world = await playWorld();
    create(world, 1);
    const there = { ...CREATE, availabilityZone: 'eu-north-1b', instanceNames: ['north'] };
    await world.lightsail.createInstances(there, { requestId: '2', region: 'eu-north-1' });
    const found = await all(lightsail.listInstances('eu-north-1', signal));
    expect(found.ids).toEqual(['north']);
  });

  it('ends with the error of a page, and never as if the list were over', async () => {
    const world = await playWorld({ lightsail: { pageSize: 2 } });
    create(world, 5);
    world.faults.set([{ service: 'lightsail', operation: 'GetInstances', error: 'ServiceException', skip: 1 }]);
    await expect(all(lightsail.listInstances('eu-west-1', signal))).rejects.toMatchObject({
      name: 'ServiceUnavailable',
    });
  });
});
