import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chefProfile, databaseProfile } from '../support/self-managed.ts';
import { chefClient } from '../support/servers/chef-client.ts';
import { type Goiardi, startGoiardi } from '../support/servers/goiardi.ts';
import { type RealNodes, realNodes } from '../support/servers/real-node.ts';
import { playWorld, untilEnded, untilOneEnded } from '../support/world.ts';

let chef: Goiardi;
let nodes: RealNodes;

beforeAll(async () => {
  nodes = realNodes();
  chef = await startGoiardi();
});
afterAll(async () => {
  await chef?.close();
  nodes?.close();
});

describe('an instance that launches under a real Chef server', () => {
  it('reads and writes its own node with the key that it made, until it is gone', async () => {
    const { associate, secrets } = chefProfile(chef);
    const profiles = [
      databaseProfile({ ...associate, service: 'leave', runList: ['recipe[web]'], environment: 'prod' }),
    ];
    const world = await playWorld({ profiles, secrets, documents: nodes.documents });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      cause: null,
      outcome: 'enrolled',
      lifecycle: 'Pending:Proceed',
    });
    expect(nodes.read(instance, 'chef/client.rb')).toContain(`chef_server_url '${chef.url}'`);
    expect(nodes.read(instance, 'chef/trusted_certs/muster-1.crt').trim()).toBe(chef.certificate.trim());

    const privateKey = nodes.read(instance, 'chef/client.pem');
    expect(createPublicKey(privateKey).asymmetricKeyDetails?.modulusLength).toBe(2048);
    const ask = chefClient(chef, { clientName: instance, privateKey });
    const own = { name: instance, json_class: 'Chef::Node', chef_type: 'node', run_list: ['recipe[web]'] };
    expect(await ask('POST', '/nodes', own)).toMatchObject({ status: 201 });
    const changed = { ...own, normal: { mended: true } };
    expect(await ask('PUT', `/nodes/${instance}`, changed)).toMatchObject({ status: 200 });
    expect(await ask('GET', `/nodes/${instance}`)).toMatchObject({ status: 200, body: { normal: { mended: true } } });

    world.autoScaling.setDesiredCapacity('database', 0);
    await untilEnded(world, 3);
    await world.clock.advance(600_000);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'retired' }]);
    expect(await ask('GET', `/nodes/${instance}`)).toMatchObject({ status: 401 });
    const asAdmin = chefClient(chef, chef.admin);
    expect(Object.keys((await asAdmin('GET', '/nodes')).body as object)).not.toContain(instance);
  });
});
