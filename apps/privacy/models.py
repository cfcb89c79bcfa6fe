"""What people may ask of their data, and when data goes by itself."""
