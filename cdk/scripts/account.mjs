// Prints who the credentials are, and which regions `cdk bootstrap` has prepared: {"account":"…","arn":"…","bootstrapped":["eu-west-1",…]}.
// Credentials come from where all tools of AWS take them; AWS_PROFILE names one of several.
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

const regions = process.argv.slice(2);

try {
  const { Account: account, Arn: arn } = await new STSClient({ region: regions[0] }).send(new GetCallerIdentityCommand({}));
  const prepared = await Promise.all(regions.map(isBootstrapped));
  console.log(JSON.stringify({ account, arn, bootstrapped: regions.filter((_, nth) => prepared[nth]) }));
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
}

async function isBootstrapped(region) {
  try {
    const { Stacks } = await new CloudFormationClient({ region }).send(new DescribeStacksCommand({ StackName: 'CDKToolkit' }));
    return Stacks?.some(({ StackStatus }) => StackStatus?.endsWith('_COMPLETE') && StackStatus !== 'DELETE_COMPLETE') ?? false;
  } catch (error) {
    // CloudFormation's word for a stack that is not there.
    if (error.name === 'ValidationError') return false;
    throw new Error(`${region}: ${error.message} (an opt-in region must be switched on in the account)`);
  }
}
