import { App, Stack } from 'aws-cdk-lib';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { expect, it } from 'vitest';
import { deployment } from '../lib/deployment';
import { nag } from '../lib/nag';
import { placeholders } from '../lib/packages';
import { context, large, small } from './support';

it.each([['large', large()], ['small', small()]])('AwsSolutions finds nothing that is not argued: %s', (_, settings) => {
  const app = new App({ context });
  const stacks = deployment(app, settings, placeholders());
  // Without a word of excuse: what is found of it shows that the rules are on.
  new Queue(new Stack(app, 'bare'), 'Queue');
  nag(app, stacks);
  // One synthesis for all: the assertions of the CDK would make one for each stack.
  const messages = app.synth().stacks.flatMap((stack) => stack.messages);
  const found = messages.filter(({ entry }) => /AwsSolutions|CdkNag/.test(String(entry.data))).map(({ id, entry }) => `${id}: ${String(entry.data)}`);
  expect(found.filter((one) => one.startsWith('/bare/')).join()).toContain('AwsSolutions-SQS3');
  expect(found.filter((one) => !one.startsWith('/bare/'))).toEqual([]);
});
