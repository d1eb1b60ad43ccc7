"""What people are asked, and what they answered: records chosen for Label Studio, and its annotations as label rows."""
