import { App } from 'aws-cdk-lib';
import { Annotations, Match } from 'aws-cdk-lib/assertions';
import { expect, it } from 'vitest';
import { deployment } from '../lib/deployment';
import { nag } from '../lib/nag';
import { placeholders } from '../lib/packages';
import { context, large } from './support';

it('AwsSolutions finds nothing that is not argued', () => {
  const app = new App({ context });
  const stacks = deployment(app, large(), placeholders());
  nag(app, stacks);
  const found = stacks.flatMap((stack) => {
    const of = Annotations.fromStack(stack);
    const pattern = Match.stringLikeRegexp('AwsSolutions|CdkNag');
    return [...of.findError('*', pattern), ...of.findWarning('*', pattern)].map(({ id, entry }) => `${id}: ${String(entry.data)}`);
  });
  expect(found).toEqual([]);
});
