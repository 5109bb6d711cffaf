// Registers <img-comparison-slider>: two pictures, one over the other, and a handle between them.
import "img-comparison-slider";
import "img-comparison-slider/dist/styles.css";
