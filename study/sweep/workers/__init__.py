"""What trains the trials of a sweep: processes of this machine or of a cluster, or the sweep's own process."""
