"""What boards are made of: queries, panels, variables, annotations, and the numbers that colours and alerts share."""
