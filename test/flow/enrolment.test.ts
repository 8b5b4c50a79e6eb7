import { describe, expect, it } from 'vitest';
import { describeEnrolment } from '../../local/enrolments.ts';
import { playWorld, untilEnded } from './world.ts';

describe('a launch under Chef', () => {
  it('is hardened, registered, associated, assigned and let into service', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    const [execution] = await untilEnded(world, 1);
    if (!execution) throw new Error('Nothing was started.');
    expect(describeEnrolment(world, execution)).toMatchObject({
      instance,
      outcome: 'enrolled',
      profile: 'web',
      association: { serverName: 'ChefServer', nodeName: instance },
      metadata: { HttpTokens: 'required', HttpPutResponseHopLimit: 2, State: 'applied' },
    });
  });
});
