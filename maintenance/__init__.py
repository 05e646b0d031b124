"""What those who look after the project run now and then."""
