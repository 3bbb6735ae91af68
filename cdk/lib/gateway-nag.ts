import { Aspects, type App, type Stack } from 'aws-cdk-lib';
import { AwsSolutionsChecks, NagSuppressions } from 'cdk-nag';

/** Which rules of AwsSolutions the example does not keep, and why. */
const EXCEPTIONS = [{
  id: 'AwsSolutions-VPC7',
  reason: 'One machine with one open port: the gateway counts whom it refuses.',
}, {
  id: 'AwsSolutions-EC23',
  reason: 'A public UDP service, and whose packets it takes is a parameter.',
}, {
  id: 'AwsSolutions-EC29',
  reason: 'Nothing is lost with the machine: its address and its targets are kept beside it.',
}, {
  id: 'AwsSolutions-IAM4',
  reason: 'What the agent of Systems Manager needs, as AWS keeps it up to date.',
  appliesTo: ['Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore'],
}, {
  id: 'AwsSolutions-IAM5',
  reason: 'The function of one name in whatever regions have a counter.',
  appliesTo: ['Resource::arn:<AWS::Partition>:lambda:*:<AWS::AccountId>:function:packet-counter'],
}, {
  id: 'AwsSolutions-IAM5',
  reason: 'Instances by their tag, which is a condition of the statement.',
  appliesTo: [{ regex: '/^Resource::.*:ec2:\\$\\{Home\\}:\\$\\{AWS::AccountId\\}:instance\\/\\*.*$/g' }],
}, {
  id: 'AwsSolutions-IAM5',
  reason: 'ssm:ListCommandInvocations knows no resource.',
  appliesTo: ['Resource::*'],
}];

/** Holds every stack against AwsSolutions: what it finds is an error of the synthesis. */
export function gatewayNag(app: App, stacks: readonly Stack[]): void {
  Aspects.of(app).add(new AwsSolutionsChecks());
  for (const stack of stacks) NagSuppressions.addStackSuppressions(stack, [...EXCEPTIONS], true);
}
