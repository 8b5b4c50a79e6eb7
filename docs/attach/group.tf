# What an Auto Scaling group needs for Muster to enrol and retire its instances; put it into your own configuration.
# The hooks' names are those of its profile in profiles.yml.
variable "launch_template_id" { type = string }
variable "subnet_ids" { type = list(string) }

data "aws_partition" "current" {}

resource "aws_autoscaling_group" "web" {
  name                = "web"
  min_size            = 2
  max_size            = 20
  vpc_zone_identifier = var.subnet_ids

  launch_template {
    id      = var.launch_template_id
    version = "$Latest"
  }

  # Here, and not as aws_autoscaling_lifecycle_hook: that one is made after the group, which has launched its first
  # instances by then, past any hook.
  initial_lifecycle_hook {
    name                 = "muster-launch"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
    # The watch sends heartbeats; a hundred times this is how long a launch can wait, 48 hours at most.
    heartbeat_timeout = 3600
    # What was not decided does not serve.
    default_result = "ABANDON"
  }

  initial_lifecycle_hook {
    name                 = "muster-terminate"
    lifecycle_transition = "autoscaling:EC2_INSTANCE_TERMINATING"
    heartbeat_timeout    = 3600
    default_result       = "CONTINUE"
  }

  # Terraform waits until the first instances serve: for as long as their enrolment may take.
  wait_for_capacity_timeout = "60m"
}

# The launch template names the profile: iam_instance_profile.
resource "aws_iam_role" "node" {
  name = "web-node"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

# How a node is asked for its CSR and is given its certificate. It needs no permission at Muster or at its server.
resource "aws_iam_role_policy_attachment" "node" {
  role       = aws_iam_role.node.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "node" {
  name = "web-node"
  role = aws_iam_role.node.name
}
