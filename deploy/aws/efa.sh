#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Instances with EFA by the AWS CLI: security group, placement group, launch template, launch. `efa.sh --help` tells more.
set -euo pipefail

usage() {
	cat <<-'END'
	Usage: efa.sh [--dry-run] COMMAND [OPTION]...
	  network    make a security group with both rules that EFA needs, and a cluster placement group
	  rules      show the group's rules; exit status 1 unless both are there
	  template   make a launch template whose interfaces are EFAs
	  launch     start instances from the template, in the placement group
	  delete     delete template, placement group and security group

	  --dry-run          print the commands, ready to paste, and run none
	  --name NAME        of all that is made (weft-efa)
	  --region REGION    else that of the AWS CLI
	  --vpc ID           network: where; rules, template, delete: of several groups with this name, the one there
	  --ssh-from CIDR    network: let SSH in from there, as 203.0.113.7/32; from nowhere unless given
	  --type TYPE        template: instance type (m6i.32xlarge)
	  --cards N --efas N template: network cards and EFAs of the type, instead of asking EC2 for them
	  --subnet ID        template: where its interfaces are; needed
	  --key NAME         template: key pair
	  --ami ID           template: an AMI, or resolve:ssm:PARAMETER (Amazon Linux 2023 for x86_64)
	  --user-data FILE   template: what runs at the first boot (install-efa.sh)
	  --count N          launch: instances (2)

	  deploy/aws/policy.json has the permissions that all of this takes.
	END
}

die() {
	echo "efa.sh: $*" >&2
	exit 1
}

# --- running and printing -------------------------------------------------------------------------

dry=''

# Sets text to the words as a shell would take them. $SG is a variable that was printed before.
quote() {
	local word
	text=''
	for word; do
		if [[ $word == *\$SG* ]]; then
			word=${word//\\/\\\\}
			word="\"${word//\"/\\\"}\""
		elif [[ ! $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then
			word="'${word//\'/\'\\\'\'}'"
		fi
		text+="${text:+ }$word"
	done
}

run() {
	local text
	if [[ $dry ]]; then
		quote "$@"
		echo "$text"
	else
		"$@" >/dev/null
	fi
}

# keep NAME COMMAND...: what the command prints becomes the value of NAME.
keep() {
	local name=$1 value text
	shift
	quote "$@"
	if [[ $dry ]]; then
		echo "$name=\$($text)"
		value="\$$name"
	else
		value=$("$@")
		[[ $value && $value != None ]] || die "nothing came of: $text"
		echo "$name $value"
	fi
	printf -v "$name" '%s' "$value"
}

# --- commands -------------------------------------------------------------------------------------

name=weft-efa region='' vpc='' ssh_from='' type=m6i.32xlarge cards='' efas='' subnet='' key='' user_data='' count=2
ami=resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64
SG=''

ec2() {
	local how=("$1")
	shift
	[[ ${how[0]} != keep ]] || {
		how+=("$1")
		shift
	}
	"${how[@]}" aws ${region:+--region "$region"} ec2 "$@"
}

find_group() {
	ec2 keep SG describe-security-groups \
		--filters "Name=group-name,Values=$name" ${vpc:+"Name=vpc-id,Values=$vpc"} \
		--query 'SecurityGroups[].GroupId' --output text
	[[ $SG != *[[:space:]]* ]] || die "several groups are called $name ($SG): --vpc ID says which"
}

network() {
	[[ $vpc ]] || die "network: --vpc ID says where"
	ec2 keep SG create-security-group --group-name "$name" --description 'EFA between its members' \
		--vpc-id "$vpc" --query GroupId --output text
	# From itself and to itself, all protocols, by the group's id. Rules with addresses do not match EFA traffic.
	ec2 run authorize-security-group-ingress --group-id "$SG" --protocol -1 --source-group "$SG"
	ec2 run authorize-security-group-egress --group-id "$SG" --protocol -1 --source-group "$SG"
	[[ ! $ssh_from ]] || ec2 run authorize-security-group-ingress --group-id "$SG" --protocol tcp --port 22 \
		--cidr "$ssh_from"
	ec2 run create-placement-group --group-name "$name" --strategy cluster
}

# The group's rules for all protocols that name the group itself: "True" is outbound, "False" inbound.
rules() {
	find_group
	ec2 keep SELF_IS_EGRESS describe-security-group-rules --filters "Name=group-id,Values=$SG" \
		--query "SecurityGroupRules[?IpProtocol=='-1' && ReferencedGroupInfo.GroupId=='$SG'].IsEgress" --output text
	[[ ! $dry ]] || return 0
	[[ ${SELF_IS_EGRESS:-} == *False* ]] || die "rules: $SG has no inbound rule for all traffic from itself"
	[[ ${SELF_IS_EGRESS:-} == *True* ]] || die "rules: $SG has no outbound rule for all traffic to itself"
	echo "rules: $SG lets all traffic in from itself and out to itself"
}

# Sets cards and efas.
ask_type() {
	local answer
	if [[ $cards && $efas ]]; then
		return
	elif [[ $dry ]]; then
		echo "# $type is taken to have one network card and one EFA: --cards and --efas say otherwise"
		cards=1 efas=1
		return
	fi
	answer=$(aws ${region:+--region "$region"} ec2 describe-instance-types --instance-types "$type" \
		--query 'InstanceTypes[0].NetworkInfo.[MaximumNetworkCards,EfaInfo.MaximumEfaInterfaces]' --output text)
	read -r cards efas <<<"$answer"
	[[ $cards =~ ^[0-9]+$ && $efas =~ ^[1-9][0-9]*$ ]] || die "template: $type has no EFA (EC2 says: $answer)"
}

# interface CARD DEVICE TYPE
interface() {
	printf '{"NetworkCardIndex":%d,"DeviceIndex":%d,"InterfaceType":"%s","SubnetId":"%s","Groups":["%s"],"DeleteOnTermination":true}' \
		"$1" "$2" "$3" "$subnet" "$SG"
}

# One card: an EFA that carries IP too. Several: the first interface carries IP, the others EFA alone; card 0 has an EFA where
# there are as many as cards.
interfaces() {
	local card left=$efas
	if ((cards == 1)); then
		interface 0 0 efa
		return
	fi
	interface 0 0 interface
	if ((efas >= cards)); then
		printf ,
		interface 0 1 efa-only
		left=$((left - 1))
	fi
	for ((card = 1; card < cards && left > 0; card++, left--)); do
		printf ,
		interface "$card" 0 efa-only
	done
}

template() {
	local data user=''
	[[ $subnet ]] || die "template: --subnet ID says where"
	[[ ! $user_data || -r $user_data ]] || die "template: $user_data cannot be read"
	[[ ! $user_data ]] || user=$(base64 -w 0 "$user_data")
	find_group
	ask_type
	data="{\"ImageId\":\"$ami\",\"InstanceType\":\"$type\",${key:+\"KeyName\":\"$key\",}${user:+\"UserData\":\"$user\",}"
	data+="\"MetadataOptions\":{\"HttpTokens\":\"required\",\"HttpPutResponseHopLimit\":2},\"Placement\":{\"GroupName\":\"$name\"},"
	data+="\"NetworkInterfaces\":[$(interfaces)]}"
	ec2 run create-launch-template --launch-template-name "$name" --launch-template-data "$data"
}

# One call for all of them: a placement group finds room for all or for none.
launch() {
	ec2 run run-instances --launch-template "LaunchTemplateName=$name,Version=\$Latest" --count "$count" \
		--tag-specifications "ResourceType=instance,Tags=[{Key=Name,Value=$name}]"
}

# As much as can be: what is gone already or still in use does not keep the rest.
delete() {
	local left=0
	ec2 run delete-launch-template --launch-template-name "$name" || left=1
	ec2 run delete-placement-group --group-name "$name" || left=1
	find_group
	ec2 run delete-security-group --group-id "$SG" || left=1
	return "$left"
}

# --- options --------------------------------------------------------------------------------------

command=''
while (($#)); do
	case $1 in
	--help | -h)
		usage
		exit
		;;
	--dry-run) dry=1 ;;
	--name | --region | --vpc | --ssh-from | --type | --cards | --efas | --subnet | --key | --ami | --user-data | --count)
		(($# > 1)) || die "$1 needs a value"
		[[ $1 == --user-data || $2 =~ ^[A-Za-z0-9._:/-]+$ ]] || die "$1: '$2' is no such value"
		option=${1#--}
		printf -v "${option//-/_}" '%s' "$2"
		shift
		;;
	network | rules | template | launch | delete)
		[[ ! $command ]] || die "one command at a time, not $command and $1"
		command=$1
		;;
	*) die "unknown argument '$1' (efa.sh --help)" ;;
	esac
	shift
done
for number in "$cards" "$efas" "$count"; do
	[[ $number =~ ^([1-9][0-9]{0,2})?$ ]] || die "'$number' is no number of cards, EFAs or instances"
done
[[ ! $command == '' ]] || die "which command? (efa.sh --help)"
[[ $dry ]] || command -v aws >/dev/null || die "the AWS CLI is not installed (--dry-run prints the commands)"
"$command"
