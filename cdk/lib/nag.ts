import { Aspects, type App } from 'aws-cdk-lib';
import { AwsSolutionsChecks, NagSuppressions } from 'cdk-nag';
import type { PartStack } from './part-stack';

interface Exception {
  readonly id: string;
  readonly reason: string;
  readonly appliesTo?: (string | { readonly regex: string })[];
}

/** By the end of a stack's name: which rules of AwsSolutions it does not keep, and why. */
const EXCEPTIONS: Readonly<Record<string, readonly Exception[]>> = {};

/** Holds every stack against AwsSolutions: what it finds is an error of the synthesis. */
export function nag(app: App, stacks: readonly PartStack[]): void {
  Aspects.of(app).add(new AwsSolutionsChecks());
  for (const stack of stacks) {
    const part = stack.stackName.slice(stack.settings.name.length + 1).replace(/^producer-.*/, 'producer');
    NagSuppressions.addStackSuppressions(stack, [...(EXCEPTIONS[part] ?? [])].map((one) => ({ ...one, appliesTo: one.appliesTo as never })), true);
  }
}
